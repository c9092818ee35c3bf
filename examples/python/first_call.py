"""Logs in and prints the user's groups: AMQP_URL=amqp://... python3 first_call.py alice"""

import getpass
import os
import sys

from authmq_client import AuthClient, AuthError

username = sys.argv[1] if len(sys.argv) > 1 else input("username: ")
password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")

with AuthClient(os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2F")) as auth:
    try:
        id_token = auth.call("login", {"username": username, "password": password})["id_token"]
    except AuthError as error:
        sys.exit(f"{error.code}: {error}")
    access_token = auth.call("token", {"id_token": id_token})["access_token"]
    user = auth.call("user_get", {"username": username, "access_token": access_token})
    print(f"{user['username']} is in {', '.join(user['groups']) or 'no group'}")
    auth.call("logout", {"id_token": id_token})

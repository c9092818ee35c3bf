"""Verifies access tokens by the rules of py_auth_micro's services: the header has the claims.

Reads lines of JSON {"token", "issuers": {name: {"methods", "secret" (HS*) or "n" and "e" (RS*, base64url)}}} from stdin,
and prints {"user", "groups", "vhost"} or {"error"} for each.
"""

import base64
import hashlib
import hmac
import json
import sys
import time

# DigestInfo of PKCS #1 v1.5 (RFC 8017 section 9.2)
PREFIXES = {
    "256": "3031300d060960864801650304020105000420",
    "384": "3041300d060960864801650304020205000430",
    "512": "3051300d060960864801650304020305000440",
}
NBF_LEEWAY = 30


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def is_signed(alg, signed, signature, key):
    digest = hashlib.new("sha" + alg[2:], signed)
    if alg.startswith("HS"):
        expected = hmac.new(key["secret"].encode(), signed, digest.name).digest()
        return hmac.compare_digest(expected, signature)
    n, e = (int.from_bytes(decode(key[name]), "big") for name in ("n", "e"))
    size = (n.bit_length() + 7) // 8
    info = bytes.fromhex(PREFIXES[alg[2:]]) + digest.digest()
    expected = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
    return pow(int.from_bytes(signature, "big"), e, n) == int.from_bytes(expected, "big")


def verify(token, issuers):
    first, second, third = token.split(".")
    header, now = json.loads(decode(first)), time.time()
    if header["iss"] not in issuers:
        raise ValueError("unknown issuer")
    key = issuers[header["iss"]]
    if header["alg"] not in key["methods"] or header["alg"][:2] not in ("HS", "RS"):
        raise ValueError("method not allowed")
    if header["nbf"] > now + NBF_LEEWAY:
        raise ValueError("not valid yet")
    if header["exp"] < now:
        raise ValueError("expired")
    if not is_signed(header["alg"], f"{first}.{second}".encode(), decode(third), key):
        raise ValueError("wrong signature")
    payload = json.loads(decode(second))
    if "aud" in payload:
        raise ValueError("audience not expected")
    if max(payload.get("iat", 0), payload.get("nbf", 0)) > now + 1:
        raise ValueError("payload not valid yet")
    return {"user": payload["user"], "groups": header["aud"], "vhost": header["vhost"]}


for line in sys.stdin:
    try:
        print(json.dumps(verify(**json.loads(line))), flush=True)
    except (KeyError, ValueError) as error:
        print(json.dumps({"error": repr(error)}), flush=True)

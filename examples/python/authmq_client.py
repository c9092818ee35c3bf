"""A small authmq client on pika: pip install pika, or install Debian's python3-pika."""

import json
import random
import time
import uuid

import pika
from pika.adapters.utils.connection_workflow import AMQPConnectorException  # raised by a hung handshake
from pika.exceptions import AMQPError

REPLY_TO = "amq.rabbitmq.reply-to"  # direct reply-to: replies arrive on the same channel and need no queue


class AuthError(Exception):
    """An error reply; `code` is an error code of docs/protocol.md, `data` the reply's resp_data."""

    def __init__(self, resp_code, data):
        super().__init__(data.get("msg", resp_code))
        self.code = data.get("error", "INTERNAL")
        self.resp_code = resp_code
        self.data = data


class NoReply(Exception):
    """No reply arrived in time. The request may have been executed: retry with the same idempotency key."""

    code = "NO_REPLY"


class AuthClient:
    """Calls workflows one at a time; use it in one thread only."""

    def __init__(self, url, timeout=10):
        self._parameters = pika.URLParameters(url)
        self._parameters.blocked_connection_timeout = timeout
        self._timeout = timeout
        self._connection = self._channel = None
        self._replies = {}

    def call(self, queue, request, timeout=None, key=None):
        """Returns `resp_data`; raises AuthError or NoReply. Retries lost requests and 503 with the same idempotency key
        until the timeout (in seconds)."""
        timeout = self._timeout if timeout is None else timeout
        deadline = time.monotonic() + timeout
        key = key or str(uuid.uuid4())
        pause, reason = 0.1, None
        while (left := deadline - time.monotonic()) > 0:
            try:
                reply = self._call_once(queue, request, left, key)
                if reply is None:
                    reason = NoReply(f"there is no queue {queue}: is a worker running?")
                elif 200 <= reply["resp_code"] < 300:
                    return reply["resp_data"]
                else:
                    reason = AuthError(reply["resp_code"], reply["resp_data"])
                    if reason.resp_code != 503:
                        raise reason
            except (AMQPError, AMQPConnectorException, OSError) as error:
                self.close()
                reason = NoReply(f"the connection to the broker was lost: {error!r}")
            time.sleep(max(0, min(pause * random.uniform(0.5, 1), deadline - time.monotonic())))
            pause = min(2, pause * 2)
        raise reason or NoReply(f"no reply within {timeout} s")

    def _call_once(self, queue, request, timeout, key):
        """Returns the reply; None if the queue does not exist."""
        deadline = time.monotonic() + timeout
        if self._connection is None or self._connection.is_closed:
            self._open(timeout)
        self._replies.clear()  # late replies of earlier requests
        correlation_id = str(uuid.uuid4())
        properties = pika.BasicProperties(
            reply_to=REPLY_TO,
            correlation_id=correlation_id,
            message_id=key,
            content_type="application/json",
            expiration=str(max(1, int((deadline - time.monotonic()) * 1000))),
        )
        self._channel.basic_publish("", queue, json.dumps(request).encode(), properties, mandatory=True)
        while correlation_id not in self._replies:
            left = deadline - time.monotonic()
            if left <= 0:
                raise NoReply(f"no reply within {timeout:.1f} s")
            self._connection.process_data_events(time_limit=left)
        return self._replies.pop(correlation_id)

    def _open(self, timeout):
        self._parameters.socket_timeout = self._parameters.stack_timeout = timeout
        self._connection = pika.BlockingConnection(self._parameters)
        self._channel = self._connection.channel()
        self._channel.add_on_return_callback(lambda _channel, _method, properties, _body: self._keep(properties, None))
        self._channel.basic_consume(
            REPLY_TO,
            lambda _channel, _method, properties, body: self._keep(properties, json.loads(body)),
            auto_ack=True,
        )

    def _keep(self, properties, reply):
        self._replies[properties.correlation_id] = reply

    def close(self):
        connection, self._connection = self._connection, None
        try:
            if connection is not None and connection.is_open:
                connection.close()
        except AMQPError:
            pass  # it is closed already

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

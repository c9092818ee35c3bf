"""A small authmq client for asyncio on aio_pika: pip install aio-pika, or install Debian's python3-aio-pika."""

import asyncio
import json
import random
import time
import uuid

import aio_pika
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, DeliveryError

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


class AsyncAuthClient:
    """Calls workflows, any number at a time, over one connection; use it in one event loop only.

    It reconnects by itself: connect_robust would let calls wait for replies that were lost with the connection."""

    def __init__(self, url, timeout=10):
        self._url = url
        self._timeout = timeout
        self._opening = asyncio.Lock()
        self._connection = self._channel = None
        self._waiting = {}

    async def call(self, queue, request, timeout=None, key=None):
        """Returns `resp_data`; raises AuthError or NoReply. Retries lost requests and 503 with the same idempotency key
        until the timeout (in seconds)."""
        timeout = self._timeout if timeout is None else timeout
        deadline = time.monotonic() + timeout
        key = key or str(uuid.uuid4())
        pause, reason = 0.1, None
        while (left := deadline - time.monotonic()) > 0:
            try:
                reply = await asyncio.wait_for(self._call_once(queue, request, deadline, key), left)
                if 200 <= reply["resp_code"] < 300:
                    return reply["resp_data"]
                reason = AuthError(reply["resp_code"], reply["resp_data"])
                if reason.resp_code != 503:
                    raise reason
            except asyncio.TimeoutError:
                break
            except DeliveryError as error:
                if error.message is None:  # a negative confirm; a channel that had one may have others
                    await self.close()
                    reason = NoReply("the broker did not accept the request")
                else:
                    reason = NoReply(f"there is no queue {queue}: is a worker running?")
            except CONNECTION_EXCEPTIONS as error:
                reason = NoReply(f"the connection to the broker was lost: {error!r}")
            except Exception as error:
                if type(error) is not Exception:
                    raise
                # aiormq raises it for a request whose confirm was lost with the connection
                reason = NoReply("the connection to the broker was lost: it had not confirmed the request")
            await asyncio.sleep(max(0, min(pause * random.uniform(0.5, 1), deadline - time.monotonic())))
            pause = min(2, pause * 2)
        raise reason or NoReply(f"no reply within {timeout} s")

    async def _call_once(self, queue, request, deadline, key):
        channel = await self._open()
        correlation_id = str(uuid.uuid4())
        reply = self._waiting[correlation_id] = asyncio.get_running_loop().create_future()
        message = aio_pika.Message(
            json.dumps(request).encode(),
            reply_to=REPLY_TO,
            correlation_id=correlation_id,
            message_id=key,
            content_type="application/json",
            expiration=max(0.001, deadline - time.monotonic()),
        )
        try:
            await channel.default_exchange.publish(message, routing_key=queue, mandatory=True)
            body = await reply
        finally:
            self._waiting.pop(correlation_id, None)
        if body is None:
            raise ConnectionError("before the reply arrived")
        return json.loads(body)

    async def _open(self):
        async with self._opening:
            if self._channel is None:
                connection = await aio_pika.connect(self._url)
                try:
                    channel = await connection.channel(on_return_raises=True)
                    replies = await channel.get_queue(REPLY_TO, ensure=False)
                    await replies.consume(self._take, no_ack=True)
                except BaseException:
                    await connection.close()
                    raise
                for closed in (connection.close_callbacks, channel.close_callbacks):
                    closed.add(lambda *_: self._lose(connection))
                self._connection, self._channel = connection, channel
            return self._channel

    async def _take(self, message):
        if (reply := self._waiting.get(message.correlation_id)) is not None and not reply.done():
            reply.set_result(message.body)

    def _lose(self, connection):
        """Ends the calls that wait for a reply on this connection: none can arrive any more."""
        if connection is not self._connection:
            return
        self._connection = self._channel = None
        waiting, self._waiting = self._waiting, {}
        for reply in waiting.values():
            if not reply.done():
                reply.set_result(None)

    async def close(self):
        """Closes the connection; a later call opens another one."""
        if (connection := self._connection) is not None:
            self._lose(connection)
            await connection.close()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()

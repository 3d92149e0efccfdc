"""Takes connections from the network, and finds out whether a client begins in TLS or plainly.

Called by `wherry.server.web`.  Invariants: a client that says nothing holds a place for a bounded time, and only a
bounded number may; a plain one is let in only where nobody but this machine can listen in (loopback), for KFP's own
command cannot be told of a private authority.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Callable

FIRST_BYTE_S = 10.0  # for a client to say anything
HANDSHAKE_S = 10.0
WAITING = 256  # clients that have not said anything yet
UNREAD_BYTES = 64 * 1024  # kept for a client that does not read, beside what the kernel keeps; as plain ones have
_TLS = b"\x16"  # the first byte of a TLS handshake record (RFC 8446, section 5.1)
_PLAIN = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 47\r\n\r\n"
    b"This server is asked with https://, not http://"
)
MakeProtocol = Callable[[], asyncio.Protocol]


async def welcome(listener: socket.socket, make: MakeProtocol, context: ssl.SSLContext) -> None:
    """Gives every connection a protocol of `make`, in TLS or without, for ever."""
    loop = asyncio.get_running_loop()
    listener.setblocking(False)
    places = asyncio.Semaphore(WAITING)
    async with asyncio.TaskGroup() as group:
        while True:
            await places.acquire()
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError:  # the client has gone, or there are too many files: neither is for ever
                places.release()
                await asyncio.sleep(0.01)
                continue
            group.create_task(_admit(client, make, context)).add_done_callback(lambda _: places.release())


async def _admit(client: socket.socket, make: MakeProtocol, context: ssl.SSLContext) -> None:
    loop = asyncio.get_running_loop()
    client.setblocking(False)
    taken = False
    try:
        # asyncio does this only for sockets that know their protocol's number, and those that `accept` gives do not.
        # Without it an answer in two writes waits for the client's delayed acknowledgement: 40 ms a request.
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(FIRST_BYTE_S):
            first = await _first_byte(client)
        if first == _TLS:
            taken = True
            wait_s = HANDSHAKE_S
            transport, _ = await loop.connect_accepted_socket(make, client, ssl=context, ssl_handshake_timeout=wait_s)
            transport.set_write_buffer_limits(high=UNREAD_BYTES)
        elif first and _is_loopback(client):
            taken = True
            await loop.connect_accepted_socket(make, client)
        elif first:
            with contextlib.suppress(BlockingIOError):
                client.send(_PLAIN)
    except (OSError, TimeoutError):  # ssl.SSLError is an OSError: it is the client's end, not ours
        pass
    finally:
        if not taken:
            client.close()


async def _first_byte(client: socket.socket) -> bytes:
    """What the client begins with; it is read again by the protocol.  Empty when the client has gone."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return client.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            ready = loop.create_future()
            loop.add_reader(client, lambda ready=ready: ready.done() or ready.set_result(None))
            try:
                await ready
            finally:
                loop.remove_reader(client)


def _is_loopback(client: socket.socket) -> bool:
    """Whether the connection stays on this machine."""
    return ipaddress.ip_address(str(client.getsockname()[0]).partition("%")[0]).is_loopback

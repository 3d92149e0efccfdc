"""One look at a container: an HTTP request, a connection, or a command in its place; hooks look the same.

Called by `health`.  Invariant: it ends within its time; what it finds is a sentence for the user, empty when all is
well (container probes and lifecycle handlers in the Kubernetes documentation).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from wherry.kube.embedded.node.containers import items, mapping

Execute = Callable[[list[str], float], Awaitable[str]]
"""Runs a command where the container runs, for so many seconds at most; what is wrong with it, or ""."""
_HEAD_LIMIT_BYTES = 64 << 10


async def look(
    handler: Mapping[str, Any], container: Mapping[str, Any], timeout_s: float, execute: Execute, *, pod_ip: str
) -> str:
    """What is wrong, or "".  `handler` holds exec, httpGet, tcpSocket or sleep; they ask the pod, or the host that they
    name."""
    if "exec" in handler:
        return await execute(list(mapping(handler["exec"]).get("command") or ()), timeout_s)
    try:
        async with asyncio.timeout(timeout_s):
            if "httpGet" in handler:
                return await _http(mapping(handler["httpGet"]), container, pod_ip)
            if "tcpSocket" in handler:
                asked = mapping(handler["tcpSocket"])
                _, writer = await asyncio.open_connection(asked.get("host") or pod_ip, port(asked, container))
                writer.close()
                return ""
            await asyncio.sleep(float(mapping(handler.get("sleep")).get("seconds") or 0))
            return ""
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except (OSError, OverflowError, ValueError) as problem:
        return str(problem)


def port(asked: Mapping[str, Any], container: Mapping[str, Any]) -> int:
    """The number of a port that is given by number or by the name of the container's.  Raises ValueError."""
    wanted = asked.get("port")
    for declared in items(container.get("ports")):
        if declared.get("name") == wanted:
            return int(declared["containerPort"])
    try:
        return int(wanted or "")
    except ValueError:
        raise ValueError(f"the container has no port {wanted!r}") from None


async def _http(asked: Mapping[str, Any], container: Mapping[str, Any], pod_ip: str) -> str:
    """200 to 399 is well, as for the kubelet."""
    host, number = asked.get("host") or pod_ip, port(asked, container)
    secure: ssl.SSLContext | None = None
    if asked.get("scheme") == "HTTPS":
        secure = ssl.create_default_context()
        secure.check_hostname, secure.verify_mode = False, ssl.CERT_NONE  # as the kubelet: certificates are not checked
    headers = {"Host": f"{host}:{number}", "User-Agent": "kube-probe/wherry", "Accept": "*/*", "Connection": "close"}
    headers |= {each["name"]: each["value"] for each in items(asked.get("httpHeaders"))}
    lines = [f"GET {asked.get('path') or '/'} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    reader, writer = await asyncio.open_connection(host, number, ssl=secure, limit=_HEAD_LIMIT_BYTES)
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"))
        await writer.drain()
        words = (await reader.readline()).decode("latin-1").split(None, 2)
    finally:
        writer.close()
    if len(words) < 2 or not words[1].isdecimal():
        return "the answer is not HTTP"
    return "" if 200 <= int(words[1]) < 400 else f"HTTP probe failed with statuscode: {words[1]}"

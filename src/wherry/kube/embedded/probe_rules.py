"""What makes probes and lifecycle hooks valid.

Called by `pod_rules` for every container.  Pure; each cause names the field as the API server does.  Invariant: what
passes here the node agent can do; a gRPC probe, which it cannot, is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from wherry.kube.errors import Cause

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
HOOKS = ("postStart", "preStop")
_PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket")
_HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
_LEAST = {
    "initialDelaySeconds": 0,
    "timeoutSeconds": 1,
    "periodSeconds": 1,
    "successThreshold": 1,
    "failureThreshold": 1,
    "terminationGracePeriodSeconds": 1,
}


def health_causes(field: str, container: dict[str, Any], *, plain_init: bool) -> Iterator[Cause]:
    """A cause for everything that is wrong; `plain_init` is an init container that is no sidecar."""
    for key in PROBES:
        if container.get(key) is not None:
            if plain_init:
                yield Cause(f"{field}.{key}", "Forbidden: may not be set for init containers", "FieldValueForbidden")
            else:
                yield from _probe(f"{field}.{key}", container[key], once=key != "readinessProbe")
    hooks: Any = container.get("lifecycle")
    if hooks is None:
        return
    if plain_init:
        yield Cause(f"{field}.lifecycle", "Forbidden: may not be set for init containers", "FieldValueForbidden")
    elif not isinstance(hooks, dict):
        yield Cause(f"{field}.lifecycle", "Invalid value: must be an object")
    else:
        for key in HOOKS:
            hook: Any = cast("dict[str, Any]", hooks).get(key)
            if hook is not None:
                yield from _handler(f"{field}.lifecycle.{key}", hook, _HOOK_HANDLERS)


def _probe(field: str, probe: Any, *, once: bool) -> Iterator[Cause]:
    yield from _handler(field, probe, _PROBE_HANDLERS)
    if not isinstance(probe, dict):
        return
    values = cast("dict[str, Any]", probe)
    for key, least in _LEAST.items():
        value: Any = values.get(key)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
            yield Cause(f"{field}.{key}", f"Invalid value: {value!r}: must be a number, at least {least}")
    if once and values.get("successThreshold") not in (None, 1):
        yield Cause(f"{field}.successThreshold", f"Invalid value: {values['successThreshold']!r}: must be 1")


def _handler(field: str, holder: Any, kinds: tuple[str, ...]) -> Iterator[Cause]:
    if not isinstance(holder, dict):
        yield Cause(field, f"Invalid value: {holder!r}: must be an object")
        return
    values = cast("dict[str, Any]", holder)
    if values.get("grpc") is not None:
        yield Cause(f"{field}.grpc", "Forbidden: this machine makes no gRPC probes", "FieldValueForbidden")
        return
    chosen = [kind for kind in kinds if values.get(kind) is not None]
    if len(chosen) != 1:
        yield Cause(field, f"Required value: must specify one of {', '.join(kinds)}", "FieldValueRequired")
        return
    place, asked = f"{field}.{chosen[0]}", values[chosen[0]]
    if not isinstance(asked, dict):
        yield Cause(place, f"Invalid value: {asked!r}: must be an object")
    elif chosen[0] == "exec":
        yield from _command(place, cast("dict[str, Any]", asked).get("command"))
    elif chosen[0] != "sleep":
        yield from _port(place, cast("dict[str, Any]", asked).get("port"))


def _command(field: str, command: Any) -> Iterator[Cause]:
    if not isinstance(command, list) or not command:
        yield Cause(f"{field}.command", "Required value", "FieldValueRequired")
    elif not all(isinstance(word, str) for word in cast("list[Any]", command)):
        yield Cause(f"{field}.command", "Invalid value: must be a list of strings")


def _port(field: str, port: Any) -> Iterator[Cause]:
    if port is None:
        yield Cause(f"{field}.port", "Required value", "FieldValueRequired")
    elif isinstance(port, bool) or not isinstance(port, int | str) or (isinstance(port, int) and not 0 < port < 65536):
        yield Cause(f"{field}.port", f"Invalid value: {port!r}: must be between 1 and 65535, inclusive, or a name")

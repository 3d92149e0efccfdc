"""Patches: JSON merge patch (RFC 7386) and JSON patch (RFC 6902), as pure functions.

Called by the embedded API server and by the controller runner.  Invariant: neither argument is changed; the result
shares what it did not change with the target, and values with the patch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast


class MalformedPatch(ValueError):
    """The patch is not one: a missing member, an unknown operation, a bad pointer."""


class PatchFailed(ValueError):
    """The patch does not fit the target: a path that is not there, a `test` that does not hold."""


def merge(target: Any, patch: Any) -> Any:
    """`target` with the merge patch applied (RFC 7386, section 2); None removes a member."""
    if not isinstance(patch, dict):
        return patch
    result: dict[str, Any] = dict(cast("dict[str, Any]", target)) if isinstance(target, dict) else {}
    for key, value in cast("dict[str, Any]", patch).items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merge(result.get(key), value)
        else:
            result[key] = value
    return result


def merge_patch(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The merge patch that turns `before` into `after` (which holds no None); empty when they are the same."""
    patch: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        known = before.get(key)
        if isinstance(value, dict) and isinstance(known, dict):
            inner = merge_patch(cast("dict[str, Any]", known), cast("dict[str, Any]", value))
            if inner:
                patch[key] = inner
        elif key not in before or not same(known, value):
            patch[key] = value
    return patch


def same(left: Any, right: Any) -> bool:
    """JSON equality (RFC 6902, section 4.6): as Python's, but that true is not 1."""
    if isinstance(left, dict) and isinstance(right, dict):
        a, b = cast("dict[str, Any]", left), cast("dict[str, Any]", right)
        return a.keys() == b.keys() and all(same(value, b[key]) for key, value in a.items())
    if isinstance(left, list) and isinstance(right, list):
        x, y = cast("list[Any]", left), cast("list[Any]", right)
        return len(x) == len(y) and all(map(same, x, y))
    return isinstance(left, bool) is isinstance(right, bool) and bool(left == right)


def apply(target: Any, operations: Any) -> Any:
    """`target` with the JSON patch applied, all of it or nothing; raises MalformedPatch or PatchFailed."""
    if not isinstance(operations, list):
        raise MalformedPatch("a JSON patch is a list of operations")
    for operation in cast("list[Any]", operations):
        if not isinstance(operation, dict):
            raise MalformedPatch("an operation of a JSON patch is an object")
        target = _operate(target, cast("dict[str, Any]", operation))
    return target


def _operate(target: Any, operation: dict[str, Any]) -> Any:
    op, path = operation.get("op"), _pointer(operation, "path")
    match op:
        case "add":
            return _add(target, path, _value(operation))
        case "remove":
            return _at(target, path, _remove)
        case "replace":
            value = _value(operation)
            _get(target, path)
            return _at(target, path, lambda container, key: _set(container, key, value)) if path else value
        case "move":
            source = _pointer(operation, "from")
            if path[: len(source)] == source and len(path) > len(source):
                raise PatchFailed(f"cannot move {_text(source)} into itself")
            value = _get(target, source)
            return _add(_at(target, source, _remove), path, value)
        case "copy":
            return _add(target, path, _get(target, _pointer(operation, "from")))
        case "test":
            if not same(_get(target, path), _value(operation)):
                raise PatchFailed(f"testing path {_text(path)} failed")
            return target
        case _:
            raise MalformedPatch(f"unknown operation {op!r}: it is add, remove, replace, move, copy or test")


def _pointer(operation: dict[str, Any], member: str) -> list[str]:
    """The reference tokens of a JSON pointer (RFC 6901)."""
    text = operation.get(member)
    if not isinstance(text, str):
        raise MalformedPatch(f"the operation {operation.get('op')!r} needs a `{member}`")
    if text and not text.startswith("/"):
        raise MalformedPatch(f"the {member} {text!r} is no JSON pointer: it must start with '/'")
    return [token.replace("~1", "/").replace("~0", "~") for token in text.split("/")[1:]]


def _text(path: list[str]) -> str:
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in path) or "''"


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise MalformedPatch(f"the operation {operation.get('op')!r} needs a `value`")
    return operation["value"]


def _get(target: Any, path: list[str]) -> Any:
    for position, token in enumerate(path):
        target = _child(target, token, path[: position + 1])
    return target


def _child(container: Any, token: str, path: list[str]) -> Any:
    if isinstance(container, dict) and token in container:
        return cast("dict[str, Any]", container)[token]
    if isinstance(container, list):
        items = cast("list[Any]", container)
        index = _index(token, len(items) - 1)
        if index is not None:
            return items[index]
    raise PatchFailed(f"the path {_text(path)} does not exist")


def _index(token: str, last: int) -> int | None:
    """An array index up to `last`; no sign, no leading zero (RFC 6901, section 4)."""
    if not (token.isascii() and token.isdigit()) or (token[0] == "0" and token != "0") or len(token) > 9:
        return None
    return int(token) if int(token) <= last else None


def _at(target: Any, path: list[str], change: Callable[[Any, str], Any]) -> Any:
    """`target` with `change(container, last token)` in the place of the container that `path` ends in."""
    if not path:
        raise PatchFailed("the whole document cannot be removed")
    chain = [target]
    for position, token in enumerate(path[:-1]):
        chain.append(_child(chain[-1], token, path[: position + 1]))
    result = change(chain.pop(), path[-1])
    for token in reversed(path[:-1]):
        result = _set(chain.pop(), token, result)
    return result


def _set(container: Any, token: str, value: Any) -> Any:
    if isinstance(container, list):
        items = cast("list[Any]", container)
        return [*items[: int(token)], value, *items[int(token) + 1 :]]
    return {**container, token: value}


def _add(target: Any, path: list[str], value: Any) -> Any:
    return _at(target, path, lambda container, token: _insert(container, token, value)) if path else value


def _insert(container: Any, token: str, value: Any) -> Any:
    if isinstance(container, dict):
        return {**cast("dict[str, Any]", container), token: value}
    if isinstance(container, list):
        items = cast("list[Any]", container)
        index = len(items) if token == "-" else _index(token, len(items))
        if index is not None:
            return [*items[:index], value, *items[index:]]
    raise PatchFailed(f"cannot add at {token!r}: the place does not exist")


def _remove(container: Any, token: str) -> Any:
    _child(container, token, [token])
    if isinstance(container, list):
        items = cast("list[Any]", container)
        return [*items[: int(token)], *items[int(token) + 1 :]]
    return {key: value for key, value in cast("dict[str, Any]", container).items() if key != token}

"""Errors of the waist: the API server's Status, as exceptions.

Raised by every `Kube`, caught by callers by class.  Invariant: `status` is a complete Kubernetes Status object, so
that the wire face can send it as it is; a reason has exactly one class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from wherry.errors import WherryError
from wherry.kube.resources import Resource


class Cause(NamedTuple):
    """One thing that is wrong with one field: `reason` as Kubernetes' CauseType (FieldValueInvalid,
    FieldValueRequired, ...)."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"


class KubeError(WherryError):
    """A request that the API server refused; `status` is its Status object."""

    def __init__(self, status: dict[str, Any]) -> None:
        super().__init__(str(status.get("message") or status.get("reason") or "the request failed"))
        self.status = status

    @property
    def code(self) -> int:
        """The HTTP status code."""
        return int(self.status.get("code") or 500)

    @property
    def reason(self) -> str:
        """The machine-readable reason: NotFound, AlreadyExists, Conflict, ..."""
        return str(self.status.get("reason") or "")

    @property
    def causes(self) -> list[Cause]:
        """Which fields are wrong and why (Invalid errors)."""
        details: dict[str, Any] = self.status.get("details") or {}
        causes: list[dict[str, str]] = details.get("causes") or []
        return [Cause(c.get("field", ""), c.get("message", ""), c.get("reason", "")) for c in causes]


class NotFound(KubeError):
    """404: no such object, namespace or resource."""


class AlreadyExists(KubeError):
    """409 AlreadyExists: the name is taken."""


class Conflict(KubeError):
    """409 Conflict: the object is no longer the one that the caller has seen."""


class Gone(KubeError):
    """410: the resource version or continue token is too old; list again."""


class Invalid(KubeError):
    """422: the object breaks a rule of its kind; `causes` name the fields."""


class BadRequest(KubeError):
    """400: the request itself does not make sense (a selector, a token, a malformed patch)."""


class Forbidden(KubeError):
    """403: a rule of the server forbids it (a terminating namespace, a protected object)."""


class TooLarge(KubeError):
    """413: the object is bigger than the server stores."""


class MethodNotAllowed(KubeError):
    """405: the resource has no such verb or subresource."""


class Unauthorized(KubeError):
    """401: the server does not know who asks, or no longer."""


class Unavailable(KubeError):
    """429, 503 or no answer at all: the server is too busy, is starting, or cannot be reached; later it may answer."""


class Unanswerable(KubeError):
    """406, 415, 500 or 504: not about objects but about how this request was put or could be answered."""


_CLASSES: dict[str, tuple[type[KubeError], int]] = {
    "NotFound": (NotFound, 404),
    "AlreadyExists": (AlreadyExists, 409),
    "Conflict": (Conflict, 409),
    "Expired": (Gone, 410),
    "Gone": (Gone, 410),
    "Invalid": (Invalid, 422),
    "BadRequest": (BadRequest, 400),
    "Forbidden": (Forbidden, 403),
    "RequestEntityTooLarge": (TooLarge, 413),
    "MethodNotAllowed": (MethodNotAllowed, 405),
    "NotAcceptable": (Unanswerable, 406),
    "UnsupportedMediaType": (Unanswerable, 415),
    "InternalError": (Unanswerable, 500),
    "Timeout": (Unanswerable, 504),
    "Unauthorized": (Unauthorized, 401),
    "TooManyRequests": (Unavailable, 429),
    "ServiceUnavailable": (Unavailable, 503),
    "ServerTimeout": (Unavailable, 500),
}
_BY_CODE = {code: kind for kind, code in reversed(_CLASSES.values())}


def from_status(status: dict[str, Any]) -> KubeError:
    """The exception for a Status object: by its reason, else by its code."""
    known = _CLASSES.get(str(status.get("reason")))
    return known[0](status) if known else _BY_CODE.get(int(status.get("code") or 0), KubeError)(status)


def error(
    reason: str,
    message: str,
    *,
    resource: Resource | None = None,
    name: str = "",
    uid: str = "",
    causes: Sequence[Cause] = (),
) -> KubeError:
    """A `KubeError` with a complete Status; `reason` is one of the table's (KeyError otherwise)."""
    kind, code = _CLASSES[reason]
    details: dict[str, Any] = {}
    if name:
        details["name"] = name
    if resource is not None:
        if resource.group:
            details["group"] = resource.group
        # The API server puts the plural here, but for Invalid, where it is the kind.
        details["kind"] = resource.kind if reason == "Invalid" else resource.plural
    if uid:
        details["uid"] = uid
    if causes:
        details["causes"] = [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes]
    status: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
    }
    if details:
        status["details"] = details
    status["code"] = code
    return kind(status)


def not_found(resource: Resource, name: str) -> KubeError:
    """404 for a named object."""
    return error("NotFound", f'{resource.qualified} "{name}" not found', resource=resource, name=name)


def already_exists(resource: Resource, name: str) -> KubeError:
    """409 for a taken name."""
    return error("AlreadyExists", f'{resource.qualified} "{name}" already exists', resource=resource, name=name)


def conflict(resource: Resource, name: str, why: str = "") -> KubeError:
    """409 for an object that has changed meanwhile."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return error("Conflict", message, resource=resource, name=name)


def forbidden(resource: Resource, name: str, why: str, causes: Sequence[Cause] = ()) -> KubeError:
    """403 with the rule that forbids it."""
    message = f'{resource.qualified} "{name}" is forbidden: {why}'
    return error("Forbidden", message, resource=resource, name=name, causes=causes)


def invalid(resource: Resource, name: str, causes: Sequence[Cause]) -> KubeError:
    """422 whose message and causes name every wrong field."""
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    return error("Invalid", f'{kind} "{name}" is invalid: {joined}', resource=resource, name=name, causes=causes)


def bad_request(message: str) -> KubeError:
    """400 with its sentence."""
    return error("BadRequest", message)


def gone(message: str) -> KubeError:
    """410 Expired with its sentence."""
    return error("Expired", message)

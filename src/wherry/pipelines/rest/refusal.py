"""How the KFP API says no: gRPC's codes, and their bodies as its gateway writes them.

Called by everything in `wherry.pipelines.rest`.  Source: google.rpc.Status and grpc-gateway's HTTPStatusFromCode.
Invariant: every refusal has a code of gRPC, and its HTTP status follows from that.
"""

from __future__ import annotations

from typing import Any

from wherry.errors import WherryError

CANCELLED, UNKNOWN, INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS = 1, 2, 3, 5, 6
FAILED_PRECONDITION, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 9, 12, 13, 14
_HTTP = {
    INVALID_ARGUMENT: 400,
    NOT_FOUND: 404,
    ALREADY_EXISTS: 409,
    FAILED_PRECONDITION: 400,
    UNIMPLEMENTED: 501,
    INTERNAL: 500,
    UNAVAILABLE: 503,
}


class Refusal(WherryError):
    """A request that is not done; `code` is gRPC's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def status(self) -> int:
        """The HTTP status."""
        return _HTTP[self.code]

    def body(self) -> dict[str, Any]:
        """What the gateway answers."""
        return {**status(self.code, self.message), "error": self.message, "details": [_detail(self.code, self.message)]}


def status(code: int, message: str) -> dict[str, Any]:
    """A google.rpc.Status."""
    return {"code": code, "message": message}


def invalid(message: str) -> Refusal:
    """The request is wrong in itself."""
    return Refusal(INVALID_ARGUMENT, message)


def not_found(what: str, name: str) -> Refusal:
    """Nothing has that name."""
    return Refusal(NOT_FOUND, f"{what} {name} not found.")


def _detail(code: int, message: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.Status", **status(code, message)}

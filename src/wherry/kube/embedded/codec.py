"""Stored objects as bytes.

Called by the embedded API server's modules.  Invariant: what `decode` returns shares nothing with anybody, and `own`
proves that an object is JSON.
"""

from __future__ import annotations

from typing import Any

import msgspec

from wherry.kube.errors import bad_request
from wherry.kube.protocol import Object

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


def encode(obj: Object) -> bytes:
    """The object as JSON; raises BadRequest when it is none."""
    try:
        return _encoder.encode(obj)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise bad_request(f"the object cannot be written as JSON: {error}") from error


def decode(body: bytes) -> Any:
    """A fresh object from stored JSON."""
    return _decoder.decode(body)


def own(value: Any) -> Any:
    """A copy that shares nothing with the caller's value; raises BadRequest when that is no JSON."""
    try:
        return _decoder.decode(_encoder.encode(value))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise bad_request(f"the object cannot be written as JSON: {error}") from error

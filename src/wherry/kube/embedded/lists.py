"""Lists and what selectors see of an object.

Called by `EmbeddedKube`.  Invariant: all pages of one list show the state at one version: later changes are undone
with the history, and when that does not reach back far enough the token is Gone.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from heapq import merge
from typing import NamedTuple

import msgspec

from wherry.kube.embedded.codec import decode
from wherry.kube.embedded.history import History
from wherry.kube.embedded.kinds import Kind
from wherry.kube.embedded.transaction import read_after
from wherry.kube.errors import bad_request, gone
from wherry.kube.protocol import Object, ObjectList
from wherry.kube.selectors import FieldSelector, LabelSelector, field_selector, field_text, label_selector
from wherry.storage.database import Tx


class Selection(NamedTuple):
    """Which objects of a kind a request asks for."""

    kind: Kind
    namespace: str
    labels: LabelSelector
    fields: FieldSelector

    def matches(self, obj: Object) -> bool:
        """Whether the selectors choose the object (its namespace is the caller's business)."""
        if self.labels.requirements and not self.labels.matches(obj["metadata"].get("labels") or {}):
            return False
        paths = self.kind.fields
        return not self.fields.terms or self.fields.matches(lambda field: field_text(obj, paths[field]))


def select(kind: Kind, namespace: str, labels: str, fields: str) -> Selection:
    """Parses the selectors of a request; raises BadRequest."""
    chosen = field_selector(fields)
    for term in chosen.terms:
        if term.field not in kind.fields:
            raise bad_request(f"field label not supported: {term.field}")
    if namespace and not kind.resource.namespaced:
        raise bad_request(f"{kind.resource.qualified} are not namespaced")
    return Selection(kind, namespace, label_selector(labels), chosen)


class Token(msgspec.Struct, frozen=True):
    """What a continue token says: the version of the first page, and the last key that was given."""

    version: int
    namespace: str
    name: str

    def text(self) -> str:
        """The opaque text that clients send back."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode()


def read_token(text: str) -> Token:
    """The token in a client's text; raises BadRequest."""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text.encode()), type=Token)
    except (binascii.Error, msgspec.DecodeError, UnicodeError) as problem:
        raise bad_request("continue key is not valid") from problem


def list_page(
    tx: Tx, selection: Selection, history: History, version: int, *, limit: int, continue_: str
) -> ObjectList:
    """One page at `version`, or at the version of the token; raises BadRequest, Gone."""
    token = read_token(continue_) if continue_ else Token(version, "", "")
    if token.version > version:
        raise gone("the continue token is of another history")
    items: list[Object] = []
    last = (token.namespace, token.name)
    for key, body in _snapshot(tx, selection, history, token):
        obj = selection.kind.shown(decode(body))
        if not selection.matches(obj):
            continue
        if limit > 0 and len(items) == limit:
            return ObjectList(items, str(token.version), Token(token.version, *last).text())
        items.append(obj)
        last = key
    return ObjectList(items, str(token.version), "")


def _snapshot(tx: Tx, selection: Selection, history: History, token: Token) -> Iterator[tuple[tuple[str, str], bytes]]:
    """Keys and bodies after the token's key as they were at the token's version, in order."""
    start = (token.namespace, token.name)
    namespace = selection.namespace
    current = read_after(tx, selection.kind.table, namespace, start)
    undone: dict[tuple[str, str], bytes | None] = {}
    for change in reversed(history.since(token.version)):
        undone[change.namespace, change.name] = change.before
    if not undone:
        return current
    old = sorted(
        (key, body)
        for key, body in undone.items()
        if body is not None and key > start and (not namespace or key[0] == namespace)
    )
    return merge((row for row in current if row[0] not in undone), old)

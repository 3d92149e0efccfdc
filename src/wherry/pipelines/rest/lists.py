"""Lists as clients ask for them: page_size, page_token, sort_by, filter.

Called by the handlers that list.  Source: KFP's filter.proto and the list requests of its v2beta1 API.  Invariants: a
token goes with the sorting and filter it was made for; a key that a kind of rows does not have is refused, never
passed over.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote

import msgspec

from wherry.kube.times import seconds_of
from wherry.pipelines.rest.refusal import invalid
from wherry.storage.listing import Found, Operation, Order, Page, Predicate

DEFAULT_SIZE, LARGEST_SIZE = 20, 200
_FILTER_LIMIT = 64 << 10
_NAMES: tuple[tuple[int, str, Operation], ...] = (
    (1, "EQUALS", "="),
    (2, "NOT_EQUALS", "<>"),
    (3, "GREATER_THAN", ">"),
    (5, "GREATER_THAN_EQUALS", ">="),
    (6, "LESS_THAN", "<"),
    (7, "LESS_THAN_EQUALS", "<="),
    (8, "IN", "IN"),
    (9, "IS_SUBSTRING", "LIKE"),
)
_OPERATIONS: dict[str | int, Operation] = {key: each[2] for each in _NAMES for key in each[:2]}

Form = Literal["text", "time", "number"]


class Field(NamedTuple):
    """A key of rows: its SQL, its form, and how a client's value becomes the stored one."""

    sql: str
    form: Form = "text"
    stored: Callable[[str], Any] | None = None
    sortable: bool = True


class Query(NamedTuple):
    """What a list request asks for."""

    conditions: list[Predicate]
    order: Order
    page: Page
    sort_by: str
    filter: str


class _Values(msgspec.Struct, forbid_unknown_fields=True):
    values: list[Any] = []


class _Predicate(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    operation: str | int = ""
    key: str = ""
    int_value: int | str | None = None
    long_value: int | str | None = None
    string_value: str | None = None
    timestamp_value: str | None = None
    int_values: _Values | None = None
    long_values: _Values | None = None
    string_values: _Values | None = None


class _Filter(msgspec.Struct, forbid_unknown_fields=True):
    predicates: list[dict[str, Any]] = []


class _Token(msgspec.Struct, forbid_unknown_fields=True):
    sort_by: str
    filter: str
    value: Any
    key: Any


def query(asked: Mapping[str, str], fields: Mapping[str, Field], default_sort: str) -> Query:
    """The query in a request's parameters.  Raises Refusal."""
    size = _size(asked.get("page_size") or asked.get("pageSize") or "")
    sort_by = asked.get("sort_by") or asked.get("sortBy") or ""
    wanted = asked.get("filter") or ""
    after: tuple[Any, Any] | None = None
    token = asked.get("page_token") or asked.get("pageToken") or ""
    if token:
        known = _opened(token)
        if (sort_by and sort_by != known.sort_by) or (wanted and wanted != known.filter):
            raise invalid("page_token: it was made for another sort_by or filter")
        sort_by, wanted, after = known.sort_by, known.filter, (known.value, known.key)
    conditions = _conditions(wanted, fields)
    return Query(conditions, _order(sort_by or default_sort, fields), Page(size, after), sort_by, wanted)


def answer(key: str, items: list[dict[str, Any]], found: Found, asked: Query) -> dict[str, Any]:
    """The response: no items and no token are left out, as the gateway does."""
    body: dict[str, Any] = {key: items} if items else {}
    if found.total:
        body["total_size"] = found.total
    if found.next is not None:
        token = _Token(asked.sort_by, asked.filter, *found.next)
        body["next_page_token"] = base64.urlsafe_b64encode(msgspec.json.encode(token)).decode()
    return body


def _size(text: str) -> int:
    if not text:
        return DEFAULT_SIZE
    negative = text.startswith("-")
    if not (text.removeprefix("-").isascii() and text.removeprefix("-").isdigit() and len(text) < 12) or negative:
        raise invalid(f"page_size: {text!r} is not a number of items (0 to {LARGEST_SIZE})")
    return min(int(text), LARGEST_SIZE) or DEFAULT_SIZE


def _opened(token: str) -> _Token:
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(token.encode()), type=_Token)
    except (msgspec.DecodeError, binascii.Error, UnicodeError, ValueError, RecursionError):
        raise invalid("page_token: it is not one of this server's") from None
    if not all(isinstance(each, str | int | float) for each in (found.value, found.key)):
        raise invalid("page_token: it is not one of this server's")
    return found


def _order(sort_by: str, fields: Mapping[str, Field]) -> Order:
    words = sort_by.split()
    key, way = words[0] if words else "", words[1].lower() if len(words) > 1 else "asc"
    field = fields.get(key)
    if field is None or not field.sortable or len(words) > 2 or way not in ("asc", "desc"):
        known = ", ".join(sorted(name for name, each in fields.items() if each.sortable))
        raise invalid(f"sort_by: {sort_by!r} is not a field (and asc or desc); fields: {known}")
    return Order(field.sql, way == "desc")


def _conditions(text: str, fields: Mapping[str, Field]) -> list[Predicate]:
    if not text:
        return []
    if len(text) > _FILTER_LIMIT:
        raise invalid(f"filter: it has more than {_FILTER_LIMIT >> 10} KiB")
    for candidate in (text, unquote(text)):  # clients send the JSON as it is, or encoded once more
        try:
            predicates = msgspec.json.decode(candidate, type=_Filter).predicates
            break
        except (msgspec.DecodeError, RecursionError) as error:
            problem = error
    else:
        raise invalid(f"filter: {problem}")
    return [_condition(each, fields) for each in predicates]


def _condition(raw: dict[str, Any], fields: Mapping[str, Field]) -> Predicate:
    camel = {_camel(key): value for key, value in raw.items()}
    try:
        given = msgspec.convert(camel, _Predicate)
    except msgspec.ValidationError as error:
        raise invalid(f"filter: {error}") from None
    operation = _OPERATIONS.get(given.operation)
    if operation is None:
        raise invalid(f"filter: unknown operation {given.operation!r}")
    key, field = given.key, fields.get(given.key)
    if field is None:
        raise invalid(f"filter: unknown key {key!r}; keys: {', '.join(sorted(fields))}")
    values = _values(given, operation)
    return Predicate(field.sql, operation, [_stored(value, field, key) for value in values])


def _camel(key: str) -> str:
    """`string_value` as `stringValue`: both names of a field are taken."""
    head, *rest = key.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _values(given: _Predicate, operation: Operation) -> list[Any]:
    lists = [each.values for each in (given.int_values, given.long_values, given.string_values) if each is not None]
    single = [
        each
        for each in (given.int_value, given.long_value, given.string_value, given.timestamp_value)
        if each is not None
    ]
    if len(lists) + len(single) != 1:
        raise invalid(f"filter: the predicate for {given.key!r} needs exactly one value")
    if (operation == "IN") != bool(lists):
        raise invalid(
            f"filter: {'IN needs a list of values' if operation == 'IN' else 'only IN takes a list of values'}"
        )
    if operation == "LIKE" and given.string_value is None:
        raise invalid("filter: IS_SUBSTRING needs a string_value")
    return lists[0] if lists else single


def _stored(value: Any, field: Field, key: str) -> Any:
    if field.form == "time":
        try:
            return float(value) if isinstance(value, int | float) else float(seconds_of(str(value)))
        except (ValueError, OverflowError, OSError):
            raise invalid(f"filter: {key}: {value!r} is not a time in RFC 3339") from None
    if field.form == "number":
        try:
            return int(value)
        except (ValueError, TypeError):
            raise invalid(f"filter: {key}: {value!r} is not a number") from None
    if not isinstance(value, str):
        raise invalid(f"filter: {key} is a text: give a string_value")
    return field.stored(value) if field.stored is not None else value

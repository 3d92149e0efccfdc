"""Lists of rows as the KFP API asks for them: filtered, sorted, in pages, and how many there are in all.

Called by the repositories whose rows have lists (`experiments`, `catalog`, `schedules`, `records`).  Invariants: only
SQL expressions that a repository has written itself reach a statement, every value is a parameter; a page goes on
after its last row, whatever was added or deleted meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from wherry.storage.database import Tx

Operation = Literal["=", "<>", ">", ">=", "<", "<=", "IN", "LIKE"]


class Predicate(NamedTuple):
    """One condition: a SQL expression, an operation, and the values it is compared with (several for IN)."""

    expression: str
    operation: Operation
    values: Sequence[Any]

    def sql(self) -> str:
        """The condition, with a mark for each parameter."""
        if self.operation == "IN":
            return f"{self.expression} IN ({', '.join('?' * len(self.values))})" if self.values else "1 = 0"
        if self.operation == "LIKE":
            return f"{self.expression} LIKE ? ESCAPE '\\'"
        return f"{self.expression} {self.operation} ?"

    def parameters(self) -> list[Any]:
        """What the marks stand for."""
        if self.operation == "LIKE":
            text = str(self.values[0])
            for special in ("\\", "%", "_"):
                text = text.replace(special, f"\\{special}")
            return [f"%{text}%"]
        return list(self.values)


class Order(NamedTuple):
    """By what rows are sorted: a SQL expression that is never NULL; rows that are alike in it, by the table's key."""

    expression: str
    descending: bool = False


class Page(NamedTuple):
    """Which page: so many rows, after the row with this value and key."""

    size: int
    after: tuple[Any, Any] | None = None


class Found(NamedTuple):
    """A page: its rows as `SELECT` gave them, how many rows match in all, and where the next page begins."""

    rows: list[tuple[Any, ...]]
    total: int
    next: tuple[Any, Any] | None


class Source(NamedTuple):
    """What is listed: the columns, the table, and its key (unique, never NULL)."""

    columns: str
    table: str
    key: str


def select(tx: Tx, source: Source, conditions: Sequence[Predicate], order: Order, page: Page) -> Found:
    """One page of the rows that meet all conditions."""
    where = " AND ".join(each.sql() for each in conditions) or "1 = 1"
    parameters = [value for each in conditions for value in each.parameters()]
    total: int = tx.execute(f"SELECT count(*) FROM {source.table} WHERE {where}", parameters).fetchone()[0]
    way, beyond = ("DESC", "<") if order.descending else ("ASC", ">")
    if page.after is not None:
        where += f" AND ({order.expression}, {source.key}) {beyond} (?, ?)"
        parameters += page.after
    statement = (
        f"SELECT {order.expression}, {source.key}, {source.columns} FROM {source.table} WHERE {where}"
        f" ORDER BY {order.expression} {way}, {source.key} {way} LIMIT ?"
    )
    rows = tx.execute(statement, [*parameters, page.size + 1]).fetchall()
    following = (rows[page.size - 1][0], rows[page.size - 1][1]) if len(rows) > page.size else None
    return Found([row[2:] for row in rows[: page.size]], total, following)

"""What a manager works off: a query that is made once and asked again and again, mostly to find nothing. Making a query costs more than asking it."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, bindparam, literal_column, or_
from sqlmodel import SQLModel, col
from sqlmodel.sql.expression import SelectOfScalar

from bot.store.tables import Utc
from bot.store.transaction import Transaction

Row = TypeVar("Row", bound=SQLModel)

NOW: ColumnElement[Any] = bindparam("now", type_=Utc)
"""The transaction's moment, in the query of a `Due`."""


def free(lease_until: Any) -> ColumnElement[bool]:
    """Returns the condition that nobody is working on a row, by its column of leases."""
    return or_(col(lease_until).is_(None), col(lease_until) <= NOW)


class Due(Generic[Row]):
    """The rows of a query, in its order. It may name values of its own (`bindparam`), which are given by name when it is asked."""

    def __init__(self, query: SelectOfScalar[Row]) -> None:
        self._any: Select[int] = query.with_only_columns(literal_column("1")).order_by(None).limit(1)
        self._rows = query.limit(bindparam("limit"))
        self._claimed = self._rows.with_for_update(skip_locked=True)

    def any(self, tx: Transaction, **values: Any) -> bool:
        """Returns whether there are any."""
        return tx.session.connection().execute(self._any, {"now": tx.now, **values}).first() is not None

    def rows(self, tx: Transaction, limit: int, **values: Any) -> Sequence[Row]:
        """Returns at most `limit` of them."""
        return tx.session.exec(self._rows, params={"now": tx.now, "limit": limit, **values}).all()

    def claim(self, tx: Transaction, limit: int, **values: Any) -> Sequence[Row]:
        """Returns at most `limit` that nobody else is working on, held until the commit (`FOR UPDATE SKIP LOCKED`)."""
        return tx.session.exec(self._claimed, params={"now": tx.now, "limit": limit, **values}).all()

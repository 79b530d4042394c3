"""What a manager works off: a query that is made once and asked again and again, mostly to find nothing. Making a query costs more than asking it."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, bindparam, exists, or_
from sqlalchemy import select as columns
from sqlmodel import SQLModel, col
from sqlmodel.sql.expression import SelectOfScalar

from bot.store.tables import Utc
from bot.store.transaction import Transaction

Row = TypeVar("Row", bound=SQLModel)

NOW: ColumnElement[Any] = bindparam("now", type_=Utc)
"""The transaction's moment, in the query of a `Due`."""

Look = bool | ColumnElement[bool] | Callable[[Transaction], bool]
"""Whether a manager may have something to do: known already, a condition, or a question that one condition cannot ask. It changes nothing."""

_MOMENTS: dict[str, timedelta] = {}


def after(delay: timedelta) -> ColumnElement[Any]:
    """Returns the moment so long after the transaction's, in the query of a `Due`."""
    name = f"now_{delay.total_seconds():.0f}"
    _MOMENTS[name] = delay
    return bindparam(name, type_=Utc)


def moments(now: datetime) -> dict[str, datetime]:
    """Returns the values of all moments that queries name."""
    return {"now": now, **{name: now + delay for name, delay in _MOMENTS.items()}}


def free(lease_until: Any) -> ColumnElement[bool]:
    """Returns the condition that nobody is working on a row, by its column of leases."""
    return or_(col(lease_until).is_(None), col(lease_until) <= NOW)


class Due(Generic[Row]):
    """The rows of a query, in its order. It may name values of its own (`bindparam`), which are given by name when it is asked."""

    def __init__(self, query: SelectOfScalar[Row]) -> None:
        self.there: ColumnElement[bool] = exists(query.order_by(None))
        self._any = columns(self.there)
        self._rows = query.limit(bindparam("limit"))
        self._claimed = self._rows.with_for_update(skip_locked=True)

    def any(self, tx: Transaction, **values: Any) -> bool:
        """Returns whether there are any."""
        return bool(tx.session.connection().execute(self._any, {**moments(tx.now), **values}).scalar_one())

    def rows(self, tx: Transaction, limit: int, **values: Any) -> Sequence[Row]:
        """Returns at most `limit` of them."""
        return tx.session.exec(self._rows, params={**moments(tx.now), "limit": limit, **values}).all()

    def claim(self, tx: Transaction, limit: int, **values: Any) -> Sequence[Row]:
        """Returns at most `limit` that nobody else is working on, held until the commit (`FOR UPDATE SKIP LOCKED`)."""
        return tx.session.exec(self._claimed, params={**moments(tx.now), "limit": limit, **values}).all()

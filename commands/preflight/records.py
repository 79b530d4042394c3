"""What our own records say against a deploy: a lock, a freeze, a closed change window; open incidents, and what was changed lately."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, or_, select

from bot.core.card import CheckResult, Verdict
from bot.core.config import Environment
from bot.core.operation import Phase
from bot.core.windows import freeze_at, next_window, window_open
from bot.ledger import under_way
from bot.store.tables import FreezeRow, LockRow, OperationRow
from bot.store.transaction import Transaction
from escalation.book import alive


def lock(tx: Transaction, environment: str, mine: Sequence[str]) -> CheckResult:
    """Blocks while somebody else (not in `mine`: the requester, his operation) holds the environment, or another operation is under way there. An emergency
    does not break a lock.
    """
    held, other = tx.get(LockRow, environment), under_way(tx, environment)
    if held is None or held.holder in mine:
        if other is None:
            return CheckResult(check="lock", verdict=Verdict.PASSED, text="no lock")
        text = f"{other} is under way in {environment}."
        return CheckResult(check="lock", verdict=Verdict.BLOCKED, text=text, hint=f"Wait for it (`/aiec show {other}`).")
    text = f"{held.holder} holds {environment} since {held.since:%Y-%m-%d %H:%M} UTC: {held.reason}."
    hint = f"Wait for it (`/aiec show {held.holder}`)." if held.holder.startswith("op-") else f"Ask {held.holder}; `/aiec unlock {environment}` frees it."
    return CheckResult(check="lock", verdict=Verdict.BLOCKED, text=text, hint=hint)


def freeze(tx: Transaction, name: str, environment: Environment) -> CheckResult:
    """Blocks during a freeze, of aiec.yaml or declared by a person."""
    configured = freeze_at(environment.freezes, tx.now)
    if configured is not None:
        return _frozen(name, configured.reason, f"until {configured.to:%Y-%m-%d %H:%M} UTC (aiec.yaml)")
    row = declared(tx, name)
    if row is not None:
        until = f"until {row.ends_at:%Y-%m-%d %H:%M} UTC" if row.ends_at else "until somebody unfreezes it"
        return _frozen(name, row.reason, f"{until} (by {row.by})")
    return CheckResult(check="freeze", verdict=Verdict.PASSED, text="no freeze")


def declared(tx: Transaction, environment: str) -> FreezeRow | None:
    """Returns the freeze that a person declared and that holds now, if there is one."""
    alive = or_(col(FreezeRow.ends_at).is_(None), col(FreezeRow.ends_at) > tx.now)
    return tx.first(select(FreezeRow).where(FreezeRow.environment == environment, col(FreezeRow.starts_at) <= tx.now, alive).order_by(col(FreezeRow.id)))


def _frozen(name: str, reason: str, until: str) -> CheckResult:
    hint = f'Wait, or for an emergency: `--emergency "why"`. Who may unfreeze: `/aiec help unfreeze`, then `/aiec unfreeze {name}`.'
    return CheckResult(check="freeze", verdict=Verdict.BLOCKED, text=f"{name} is frozen {until}: {reason}.", hint=hint, waivable=True)


def window(environment: Environment, now: datetime) -> CheckResult | None:
    """Blocks outside the environment's change window, and says when it would go; None where it has no window."""
    if environment.change_window is None:
        return None
    if window_open(environment.change_window, now):
        return CheckResult(check="window", verdict=Verdict.PASSED, text="change window is open")
    start, end = next_window(environment.change_window, now)
    text = f"The change window is closed; it opens {start:%Y-%m-%d %H:%M} UTC, until {end:%H:%M}."
    return CheckResult(check="window", verdict=Verdict.BLOCKED, text=text, hint='Ask again then, or for an emergency: `--emergency "why"`.', waivable=True)


def incidents(tx: Transaction, environment: str, services: Sequence[str]) -> CheckResult | None:
    """Warns of open incidents on the services; of private ones nothing is said, as a plan is public."""
    found = [one for _, one in alive(tx) if not one.private and one.service in services and one.environment in ("", environment)]
    if not found:
        return None
    said = ", ".join(f"{one.name} ({one.severity}) on {one.service}" for one in found)
    return CheckResult(check="incidents", verdict=Verdict.WARNING, text=f"open incident{'s' if len(found) > 1 else ''}: {said}")


def recent(tx: Transaction, environment: str) -> CheckResult | None:
    """Names the last three operations there, and warns when the latest did not go well."""
    over = [phase for phase in Phase if phase.over and phase not in (Phase.REFUSED, Phase.EXPIRED)]
    query = (
        select(OperationRow).where(OperationRow.environment == environment, col(OperationRow.state).in_(over)).order_by(col(OperationRow.id).desc()).limit(3)
    )
    rows = tx.all(query)
    if not rows:
        return None
    said = ", ".join(f"op-{row.id} {row.document['plan']['title']} ({row.state.replace('_', ' ')})" for row in rows)
    good = rows[0].state == Phase.DONE
    return CheckResult(check="recent", verdict=Verdict.PASSED if good else Verdict.WARNING, text=f"last changes: {said}")

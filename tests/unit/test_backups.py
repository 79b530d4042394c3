"""Which backups go when a new one is there."""

from datetime import UTC, datetime, timedelta

from bot.core.backups import Backup, superfluous
from bot.core.config import Keep

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def made(*hours_ago: float) -> list[Backup]:
    moments = [NOON - timedelta(hours=hours) for hours in hours_ago]
    return [Backup(name=f"{at:%d %H:%M}", environment="prod", kind="database", made_at=at, size=1, sha256="") for at in moments]


def gone(backups: list[Backup], keep: Keep) -> list[str]:
    return [one.name for one in superfluous(backups, keep)]


def test_one_of_a_damaged_database_takes_the_good_one_of_this_morning_not_away() -> None:
    assert gone(made(11, 0), Keep(daily=2)) == []
    assert gone(made(35, 30, 11, 0), Keep(daily=2)) == ["22 01:00"]


def test_the_last_of_a_day_and_of_a_week_stay() -> None:
    days = made(*(24 * day for day in range(30)))
    assert gone(days, Keep(daily=3)) == [one.name for one in reversed(days[3:])]
    kept = {one.name for one in days} - {*gone(days, Keep(daily=2, weekly=3))}
    assert kept == {"23 12:00", "22 12:00", "15 12:00"}


def test_without_a_number_all_stay() -> None:
    assert gone(made(24 * 400, 0), Keep()) == []

"""Bringing a database to the schema that the code needs, and telling whether it has it."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from bot.store.store import translated

ONE_AT_A_TIME = 20260501  # the number of PostgreSQL's advisory lock; SQLite has one writer anyway
MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(engine: Engine) -> None:
    """Runs the migrations that are missing, all or none; none missing is no work. Raises Unavailable."""
    if not missing(engine):
        return
    with translated(), engine.execution_options(patient=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": ONE_AT_A_TIME})
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def missing(engine: Engine) -> str:
    """Returns why the schema does not serve this code (none yet, or older), or an empty text. A newer one is none of our business. Raises Unavailable."""
    with translated(), engine.execution_options(reading=True).connect() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
    known = _revisions()
    if present is None:
        return "the database has no schema yet: run `aiec migrate`"
    return "" if present == known[0] or present not in known else f"the schema is {present}, the code needs {known[0]}: run `aiec migrate`"


@cache
def _revisions() -> list[str]:
    """Returns the revisions that this code knows, the newest first. They are files of the package; readiness asks every few seconds."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config

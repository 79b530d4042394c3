"""The migrations make what the models say, on both databases, and back again."""

import threading
from collections.abc import Iterator

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, text
from sqlmodel import SQLModel

from bot.core.errors import Unavailable
from bot.store import action_tables, incident_tables, postmortem_tables, runbook_tables, tables
from bot.store.migrate import MIGRATIONS, missing, upgrade
from bot.store.store import make_engine
from tests.databases import KINDS, database

assert tables
assert action_tables
assert incident_tables
assert postmortem_tables
assert runbook_tables


@pytest.fixture(params=KINDS)
def url(request, tmp_path) -> Iterator[str]:
    with database(request.param, tmp_path) as empty:
        yield empty


@pytest.fixture
def engine(url) -> Iterator[Engine]:
    made = make_engine(url)
    yield made
    made.dispose()


def set_revision(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def test_from_nothing_they_make_exactly_what_the_models_say(engine):
    upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_a_second_time_is_no_work(engine):
    upgrade(engine)
    upgrade(engine)
    assert missing(engine) == ""


def test_they_can_be_undone(engine):
    upgrade(engine)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    assert "no schema yet" in missing(engine)


def test_two_that_start_at_once_do_not_collide(url, engine):
    engines = [engine, make_engine(url)]
    errors: list[Exception] = []

    def run(each: Engine) -> None:
        try:
            upgrade(each)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=[each]) for each in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engines[1].dispose()
    assert (errors, missing(engine)) == ([], "")


def test_an_empty_database_lacks_its_schema_and_an_unreachable_one_is_said_to_be_so(engine):
    assert missing(engine) == "the database has no schema yet: run `aiec migrate`"
    nowhere = make_engine("postgresql://postgres@127.0.0.1:1/aiec")
    for ask in (missing, upgrade):
        with pytest.raises(Unavailable, match="cannot be used"):
            ask(nowhere)


def test_a_newer_schema_is_left_alone(engine):
    upgrade(engine)
    set_revision(engine, "9999")
    assert missing(engine) == ""
    upgrade(engine)
    with engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == "9999"


def test_looking_at_the_schema_waits_for_no_writer(engine):
    upgrade(engine)
    with engine.begin() as writing:
        writing.execute(text("INSERT INTO groups (handle, members, fetched_at) VALUES ('devops', '[]', '2026-05-04 09:00:00')"))
        assert missing(engine) == ""

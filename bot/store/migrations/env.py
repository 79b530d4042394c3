"""How Alembic runs here: always on a connection that is given, in one transaction."""

from alembic import context
from sqlmodel import SQLModel

from bot.store import action_tables, incident_tables, postmortem_tables, runbook_tables, tables

assert tables
assert action_tables
assert incident_tables
assert postmortem_tables
assert runbook_tables

context.configure(connection=context.config.attributes["connection"], target_metadata=SQLModel.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()

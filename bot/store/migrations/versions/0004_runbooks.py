"""runbooks"""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

import bot.store.tables

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("incident", sa.Integer(), nullable=False),
        sa.Column("runbook", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("state", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("text", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("request", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("next_at", bot.store.tables.Utc(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_runs_incident"), ["incident"], unique=False)
        batch_op.create_index(batch_op.f("ix_runs_next_at"), ["next_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_runs_state"), ["state"], unique=False)

    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.add_column(sa.Column("runbooks", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("matched", sa.Boolean(), nullable=True))
        batch_op.create_index(batch_op.f("ix_incidents_matched"), ["matched"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_incidents_matched"))
        batch_op.drop_column("matched")
        batch_op.drop_column("runbooks")

    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_runs_state"))
        batch_op.drop_index(batch_op.f("ix_runs_next_at"))
        batch_op.drop_index(batch_op.f("ix_runs_incident"))

    op.drop_table("runs")

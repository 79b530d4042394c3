"""post-mortems"""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

import bot.store.tables

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INDEXED = ("state", "stale", "remind_at", "next_at")


def upgrade() -> None:
    op.create_table(
        "postmortems",
        sa.Column("incident", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("state", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("owner", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("reviewer", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("document", sa.JSON(), nullable=True),
        sa.Column("written", sa.JSON(), nullable=False),
        sa.Column("aside", sa.JSON(), nullable=False),
        sa.Column("reviews", sa.JSON(), nullable=False),
        sa.Column("created_at", bot.store.tables.Utc(), nullable=False),
        sa.Column("drafted_at", bot.store.tables.Utc(), nullable=True),
        sa.Column("due_at", bot.store.tables.Utc(), nullable=True),
        sa.Column("stale", sa.Boolean(), nullable=False),
        sa.Column("reminded_at", bot.store.tables.Utc(), nullable=True),
        sa.Column("remind_at", bot.store.tables.Utc(), nullable=True),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("published_at", bot.store.tables.Utc(), nullable=True),
        sa.Column("published_by", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("anyway", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("places", sa.JSON(), nullable=False),
        sa.Column("next_at", bot.store.tables.Utc(), nullable=True),
        sa.Column("lease_until", bot.store.tables.Utc(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("incident"),
    )
    with op.batch_alter_table("postmortems", schema=None) as batch_op:
        for name in INDEXED:
            batch_op.create_index(batch_op.f(f"ix_postmortems_{name}"), [name], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("postmortems", schema=None) as batch_op:
        for name in INDEXED:
            batch_op.drop_index(batch_op.f(f"ix_postmortems_{name}"))
    op.drop_table("postmortems")

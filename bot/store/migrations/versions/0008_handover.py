"""who was on call when it was last looked"""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

import bot.store.tables

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "duties",
        sa.Column("policy", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("people", sa.JSON(), nullable=False),
        sa.Column("since", bot.store.tables.Utc(), nullable=False),
        sa.PrimaryKeyConstraint("policy", "level"),
    )


def downgrade() -> None:
    op.drop_table("duties")

"""What goes first, who was written to outside a window, and what Meta allows a number.

The release before this one may still be running on this schema: its effects are of the first urgency.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("effect", sa.Column("urgency", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_effect_urgency", "effect", ["state", "lane", "urgency", "due_at", "id"])
    op.drop_index("ix_effect_order", "effect")
    op.add_column("message", sa.Column("tier_at", sa.BigInteger(), nullable=True))
    op.create_index("ix_message_tier_at", "message", ["tier_at"], postgresql_where=sa.text("tier_at IS NOT NULL"))
    op.create_table(
        "number_limit",
        sa.Column("channel_id", sa.String(), nullable=False),
        sa.Column("claimed_at", sa.BigInteger(), nullable=False),
        sa.Column("facts", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_number_limit")),
    )
    op.create_table(
        "limit_sample",
        sa.Column("channel_id", sa.String(), nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("tier", sa.Integer(), nullable=True),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("waiting_replies", sa.Integer(), nullable=False),
        sa.Column("waiting_transactions", sa.Integer(), nullable=False),
        sa.Column("waiting_marketing", sa.Integer(), nullable=False),
        sa.Column("quality", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("channel_id", "taken_at", name=op.f("pk_limit_sample")),
    )

"""What a ticket was last told of window and delivery, and since when it was not read."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ticket", sa.Column("marks", sa.String(), nullable=True))
    op.add_column("ticket", sa.Column("unread_since", sa.BigInteger(), nullable=True))
    op.create_index(op.f("ix_ticket_unread_since"), "ticket", ["unread_since"])

"""When a window is to be looked at, whether its customer was answered, and free entry points."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("unanswered_since_at", "look_at", "referred_at", "free_entry_until_at"):
        op.add_column("conversation", sa.Column(name, sa.BigInteger(), nullable=True))
    is_set = sa.text("look_at IS NOT NULL")
    op.create_index(
        "ix_conversation_look", "conversation", ["shard", "look_at"], postgresql_where=is_set, sqlite_where=is_set
    )

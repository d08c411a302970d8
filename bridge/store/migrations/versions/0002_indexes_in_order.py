"""What waits is found in its order, however much waits.

The release before this one may still be running on this schema: expand now, contract a release later.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_inbox_received", "inbox", ["state", "received_at"])
    op.drop_index("ix_inbox_received_at", "inbox")
    op.create_index("ix_effect_order", "effect", ["state", "lane", "due_at", "id"])

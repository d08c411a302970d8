"""What a message is beside its text: a file, a template, a quoted message."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("message", sa.Column("content", sa.LargeBinary(), nullable=True))

"""Until when, in real time, an event is left alone because somebody else wants it so."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inbox", sa.Column("not_before_at", sa.BigInteger(), nullable=True))

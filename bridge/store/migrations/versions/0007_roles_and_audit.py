"""Tokens have roles and may end, and what people do is kept where nobody can change it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Until now there was the token with every right alone.
    op.add_column("admin_token", sa.Column("role", sa.String(), nullable=True))
    op.execute("UPDATE admin_token SET role = 'admin'")
    with op.batch_alter_table("admin_token") as batch:
        batch.alter_column("role", existing_type=sa.String(), nullable=False)
    for name in ("expires_at", "last_used_at", "revoked_at"):
        op.add_column("admin_token", sa.Column(name, sa.BigInteger(), nullable=True))
    op.create_table(
        "audit",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *(
            sa.Column(name, sa.String(), nullable=False)
            for name in ("actor", "role", "origin", "action", "subject", "detail")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )

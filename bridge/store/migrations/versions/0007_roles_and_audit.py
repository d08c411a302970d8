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
    if op.get_context().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_refuses_{verb.lower()} BEFORE {verb} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit is only ever added to'); END"
            )
    else:
        op.execute(
            "CREATE FUNCTION refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS $$ "
            "BEGIN RAISE EXCEPTION 'the audit is only ever added to'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_refuses_change BEFORE UPDATE OR DELETE ON audit "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit()"
        )
        op.execute(
            "CREATE TRIGGER audit_refuses_truncate BEFORE TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit()"
        )

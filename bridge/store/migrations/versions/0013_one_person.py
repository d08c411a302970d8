"""Evidence and times of ids, who held a number before, and contacts that are one person.

Expand only: the release before this one may still be running on this schema.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contact", sa.Column("merged_into", sa.String(), nullable=True))
    op.add_column(
        "contact_identity", sa.Column("evidence", sa.String(), nullable=False, server_default=sa.text("'message'"))
    )
    op.add_column("contact_identity", sa.Column("since_at", sa.BigInteger(), nullable=True))
    op.add_column("contact_identity", sa.Column("retired_at", sa.BigInteger(), nullable=True))
    op.add_column("conversation", sa.Column("requester_origin", sa.String(), nullable=True))
    op.add_column("conversation", sa.Column("merged_into", sa.String(), nullable=True))
    op.create_table(
        "past_identity",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("contact_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("value_index", sa.LargeBinary(), nullable=False),
        sa.Column("since_at", sa.BigInteger(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("fk_past_identity_contact_id_contact")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_past_identity")),
    )
    op.create_index(op.f("ix_past_identity_contact_id"), "past_identity", ["contact_id"])
    op.create_index("ix_past_identity_value", "past_identity", ["kind", "value_index"])
    op.create_table(
        "contact_merge",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("one_id", sa.String(), nullable=False),
        sa.Column("other_id", sa.String(), nullable=False),
        sa.Column("evidence", sa.String(), nullable=False),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["one_id"], ["contact.id"], name=op.f("fk_contact_merge_one_id_contact")),
        sa.ForeignKeyConstraint(["other_id"], ["contact.id"], name=op.f("fk_contact_merge_other_id_contact")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_merge")),
        sa.UniqueConstraint("one_id", "other_id", name=op.f("uq_contact_merge_one_id")),
    )
    op.create_index(op.f("ix_contact_merge_done_at"), "contact_merge", ["done_at"])

"""Message templates: what Meta has, their versions and history, how the synchronising goes, who was sent what."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "template",
        *(_text(name) for name in ("id", "waba_id", "name", "language")),
        _text("remote_id", nullable=True),
        _text("category"),
        _text("previous_category", nullable=True),
        _text("correct_category", nullable=True),
        _time("category_change_at", nullable=True),
        *(_text(name) for name in ("parameter_format", "status", "status_word")),
        _text("rejected_reason", nullable=True),
        _text("rejection_words", nullable=True),
        _text("quality"),
        _time("quality_at", nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        _text("confirmed_digest", nullable=True),
        _time("drifted_at", nullable=True),
        sa.Column("send_ttl_seconds", sa.Integer(), nullable=True),
        sa.Column("is_stale", sa.Boolean(), nullable=False),
        _time("changed_at"),
        _time("last_used_at", nullable=True),
        _time("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_template")),
        sa.UniqueConstraint("waba_id", "name", "language", name=op.f("uq_template_waba_id")),
    )
    op.create_index(op.f("ix_template_remote_id"), "template", ["remote_id"])
    op.create_table(
        "template_version",
        _text("id"),
        _text("template_id"),
        sa.Column("number", sa.Integer(), nullable=False),
        _text("digest"),
        _text("origin"),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        _time("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_template_version")),
        sa.ForeignKeyConstraint(
            ["template_id"], ["template.id"], name=op.f("fk_template_version_template_id_template")
        ),
        sa.UniqueConstraint("template_id", "number", name=op.f("uq_template_version_template_id")),
    )
    op.create_table(
        "template_event",
        *(_text(name) for name in ("id", "template_id", "kind", "word", "detail")),
        _time("at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_template_event")),
        sa.ForeignKeyConstraint(["template_id"], ["template.id"], name=op.f("fk_template_event_template_id_template")),
    )
    op.create_index("ix_template_event_template_id", "template_event", ["template_id", "at"])
    op.create_table(
        "template_sync",
        _text("waba_id"),
        _time("claimed_at"),
        _time("wanted_at", nullable=True),
        _time("synced_at", nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        _text("error", nullable=True),
        _time("error_at", nullable=True),
        sa.Column("listed", sa.Integer(), nullable=True),
        sa.Column("quota", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("waba_id", name=op.f("pk_template_sync")),
    )
    op.create_table(
        "template_name_lock",
        *(_text(name) for name in ("id", "waba_id", "name")),
        _time("locked_until"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_template_name_lock")),
        sa.UniqueConstraint("waba_id", "name", name=op.f("uq_template_name_lock_waba_id")),
    )
    op.create_table(
        "template_send",
        _text("message_id"),
        _text("template_id"),
        sa.Column("version", sa.Integer(), nullable=False),
        *(_text(name) for name in ("sent_by", "day", "category")),
        _text("price_category", nullable=True),
        _text("price_type", nullable=True),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_template_send")),
        sa.ForeignKeyConstraint(["template_id"], ["template.id"], name=op.f("fk_template_send_template_id_template")),
    )
    op.create_index("ix_template_send_template_id", "template_send", ["template_id", "day"])
    op.create_index("ix_template_send_day", "template_send", ["day"])

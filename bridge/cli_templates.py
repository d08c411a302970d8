"""`deskbridge templates …`: what may an administrator ask for, and how is it shown?"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from bridge.runtime.template_admin import Submitted, TemplateOffice
    from bridge.store.templates import Stored, SyncState
    from templates_registry.lint import Finding
    from templates_registry.model import Draft

T = TypeVar("T")

app = typer.Typer(
    help="Message templates: what Meta has, what it would refuse, and who was sent what.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Files = Annotated[
    list[Path], typer.Argument(help="Files with a template (JSON, as Meta's create call takes it); - is stdin.")
]


@app.command("list")
def list_templates(
    name: Annotated[str | None, typer.Option(help="Only those whose name has this in it.")] = None,
    status: Annotated[str | None, typer.Option(help="Only those of this status, like APPROVED.")] = None,
    as_json: Json = False,
) -> None:
    """Every template as Meta last told it, and how old that is."""

    async def work(office: "TemplateOffice") -> "tuple[list[Stored], SyncState, datetime]":
        return await office.every(), await office.sync_state(), office.clock.real_now()

    every, state, real_now = _run(work)
    found = [
        one
        for one in every
        if (name is None or name in one.name) and (status is None or one.status.value == status.upper())
    ]
    if as_json:
        _print_json({"sync": _sync_json(state), "templates": [_template_json(one) for one in found]})
        return
    for one in found:
        marks = [mark for mark, is_set in (("drift", one.drifted_at), ("category", one.correct_category)) if is_set]
        reason = f"  {one.rejected_reason}" if one.rejected_reason else ""
        typer.echo(
            f"{one.name:<32} {one.language:<6} {one.status.value:<12} {one.quality.value:<8} {one.category.value:<15} "
            f"v{one.version}{'  ' + ','.join(marks) if marks else ''}{reason}".rstrip()
        )
    typer.echo(_sync_line(state, count=len(found), real_now=real_now), err=True)


@app.command()
def sync(as_json: Json = False) -> None:
    """Ask Meta now what templates there are."""

    async def work(office: "TemplateOffice") -> Any:
        return await office.sync()

    report = _run(work)
    if as_json:
        _print_json({key: getattr(report, key) for key in ("count", "added", "changed", "gone", "drifted")})
    else:
        typer.echo(
            f"{report.count} templates: {report.added} new, {report.changed} changed ({report.drifted} of them by "
            f"somebody at Meta's side), {report.gone} gone"
        )


@app.command()
def lint(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files with a template; none: every template there is.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what Meta would refuse or reject, with rule, place and mend. Exit 1 if there is an error."""
    from templates_registry.lint import has_errors

    drafts = [_read(path) for path in files] if files else None

    async def work(office: "TemplateOffice") -> "list[tuple[str, list[Finding]]]":
        wanted = drafts if drafts is not None else [one.draft for one in await office.every()]
        return [(f"{draft.name} ({draft.language})", await office.check(draft)) for draft in wanted]

    checked = _run(work)
    if as_json:
        _print_json([{"template": name, "findings": [_finding_json(one) for one in found]} for name, found in checked])
    for name, found in [] if as_json else checked:
        if not found:
            typer.echo(f"{name}: fine")
        _print_findings(name, found)
    if bad := [name for name, found in checked if has_errors(found)]:
        _fail(f"{len(bad)} of {len(checked)} templates have errors")


@app.command()
def submit(
    files: Files,
    sample: Annotated[
        Path | None, typer.Option(help="A file for the reviewers, for headers that need one and have none.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Create templates at Meta, or edit those that exist. Lint goes first; Meta's review follows."""
    from bridge.runtime.template_admin import DoesNotPass

    drafts = [_read(path) for path in files]

    async def work(office: "TemplateOffice") -> "list[Submitted]":
        handle = None if sample is None else await office.upload_sample(sample)
        return [await office.submit(draft if handle is None else _with_sample(draft, handle)) for draft in drafts]

    try:
        done = _run(work)
    except DoesNotPass as refused:
        _print_findings(refused.args[0].partition(" has ")[0], refused.findings)
        raise
    if as_json:
        _print_json([{key: getattr(one, key) for key in _SUBMITTED} for one in done])
        return
    for one in done:
        _print_findings(f"{one.name} ({one.language})", one.findings)
        changed = " (Meta changed the category)" if one.category_was_changed else ""
        typer.echo(f"{one.name} ({one.language}): {one.what}, {one.status}, {one.category}{changed}")


_SUBMITTED = ("id", "name", "language", "what", "status", "category", "category_was_changed")


@app.command()
def usage(
    days: Annotated[int, typer.Option(min=1, max=3650, help="So many days back, today included.")] = 30,
    name: Annotated[str | None, typer.Option(help="Only this template.")] = None,
    as_json: Json = False,
) -> None:
    """Who sent which template version to how many, what became of it, and what to look at."""

    async def work(office: "TemplateOffice") -> Any:
        now = office.clock.business_now()
        lines = await office.usage(since=now - timedelta(days=days - 1), until=now, name=name)
        concerns = [one for one in await office.concerns() if name is None or one.name == name]
        return lines, concerns

    lines, concerns = _run(work)
    if as_json:
        _print_json(
            {
                "days": [{key: getattr(line, key) for key in _USAGE} for line in lines],
                "concerns": [
                    {"name": one.name, "language": one.language, "kind": one.kind, "words": one.words}
                    for one in concerns
                ],
            }
        )
        return
    if lines:
        typer.echo(
            f"{'day':<11}{'template':<32}{'lang':<7}{'ver':>4}  {'by':<16}{'price':<16}{'asked':>6}{'sent':>6}"
            f"{'deliv.':>7}{'read':>6}{'failed':>7}"
        )
    for line in lines:
        typer.echo(
            f"{line.day:<11}{line.name:<32}{line.language:<7}{line.version:>4}  {line.sent_by:<16}"
            f"{line.price_category or '-':<16}{line.asked:>6}{line.sent:>6}{line.delivered:>7}{line.read:>6}"
            f"{line.failed:>7}"
        )
    if not lines:
        typer.echo("no template was sent in these days")
    for one in concerns:
        typer.echo(f"{one.kind}: {one.name} ({one.language}): {one.words}")


_USAGE = (
    *("day", "name", "language", "version", "sent_by", "price_category", "price_type", "asked", "sent", "delivered"),
    *("read", "failed"),
)


def _run(work: "Callable[[TemplateOffice], Awaitable[T]]") -> T:
    from bridge.runtime import wiring
    from bridge.runtime.sandbox_accounts import environment_beside_sandbox
    from bridge.runtime.settings import load_environment, load_settings
    from bridge.runtime.template_admin import TemplateOffice

    settings = load_settings(environment_beside_sandbox(load_environment(Path.cwd())))
    settings.account()

    async def run() -> T:
        with wiring.open_store(settings) as store:
            async with wiring.open_template_api(settings) as api:
                return await work(TemplateOffice(store.database, store.vault, store.clock, api))

    return asyncio.run(run())


def _read(path: Path) -> "Draft":
    from bridge.runtime.operator_error import OperatorError
    from templates_registry.wire import UnreadableDraft, read_draft

    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")
        return read_draft(json.loads(text))
    except OSError as exc:
        raise OperatorError(f"{path} cannot be read ({exc.strerror})") from None
    except UnicodeDecodeError:
        raise OperatorError(f"{path} is not UTF-8 text") from None
    except ValueError:
        raise OperatorError(f"{path} is not JSON") from None
    except UnreadableDraft as unreadable:
        for problem in unreadable.problems:
            typer.echo(f"{path}: {problem}", err=True)
        raise OperatorError(f"{path} is no template: {len(unreadable.problems)} mistake(s), see above") from None


def _with_sample(draft: "Draft", handle: str) -> "Draft":
    """The handle for every media header that has none."""
    from dataclasses import replace

    from templates_registry.model import MEDIA_FORMATS, Header

    def filled(header: Header | None) -> Header | None:
        wants_one = header is not None and header.format in MEDIA_FORMATS and not header.handle
        return replace(header, handle=handle) if header is not None and wants_one else header

    cards = tuple(replace(card, header=filled(card.header)) for card in draft.content.cards)
    return replace(draft, content=replace(draft.content, header=filled(draft.content.header), cards=cards))


def _print_findings(name: str, found: "Sequence[Finding]") -> None:
    for one in found:
        typer.echo(f"{one.level.value:<8}{name}: {one.place}: {one.message} -> {one.mend} [{one.rule}]")


def _finding_json(one: "Finding") -> dict[str, str]:
    return {
        "rule": one.rule,
        "level": one.level.value,
        "place": one.place,
        "message": one.message,
        "mend": one.mend,
    }


def _template_json(one: "Stored") -> dict[str, Any]:
    from templates_registry.wire import write_components

    return {
        "id": one.id,
        "name": one.name,
        "language": one.language,
        "category": one.category.value,
        "previous_category": one.previous_category,
        "correct_category": one.correct_category,
        "status": one.status.value,
        "quality": one.quality.value,
        "rejected_reason": one.rejected_reason,
        "rejection_words": one.rejection_words,
        "parameter_format": one.parameter_format.value,
        "version": one.version,
        "drifted_at": one.drifted_at,
        "last_used_at": one.last_used_at,
        "components": write_components(one.content, one.parameter_format),
    }


def _sync_json(state: "SyncState") -> dict[str, Any]:
    return {
        "synced_at": state.synced_at,
        "failures": state.failures,
        "error": state.error,
        "error_at": state.error_at,
        "listed": state.listed,
        "quota": state.quota,
    }


def _sync_line(state: "SyncState", *, count: int, real_now: datetime) -> str:
    if state.synced_at is None:
        age = "never synchronised with Meta"
    else:
        minutes = int((real_now - state.synced_at).total_seconds() // 60)
        age = f"as Meta told {minutes} min ago" if minutes else "as Meta told just now"
    error = f"; the last {state.failures} attempts failed (code {state.error})" if state.failures else ""
    return f"{count} templates, {age}{error}"


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, default=_jsonable, indent=2))


def _jsonable(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _fail(line: str) -> NoReturn:
    typer.echo(f"deskbridge: {line}", err=True)
    sys.exit(1)

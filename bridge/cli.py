"""`deskbridge …`: what may an operator ask for, and how is a mistake answered? With one line, never a traceback.

Exit codes: 0 done, 1 failed, 2 wrong usage. Commands import what they need when they run, so `--help` is quick.
"""

import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from bridge import cli_templates
from bridge.domain.consent import ConsentAction
from bridge.domain.roles import Role

if TYPE_CHECKING:
    from bridge.runtime.settings import Settings
    from connectors.interface import Finding

app = typer.Typer(
    name="deskbridge",
    help="Answer WhatsApp messages from the helpdesk you already use.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
events = typer.Typer(help="Dead letters: what could not be done, and why.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(events, name="events")
helpdesks = typer.Typer(
    help="Helpdesks: which there are, and whether one keeps the contract.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(helpdesks, name="connectors")
consent = typer.Typer(
    help="Who wants marketing messages and who does not: the ledger.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(consent, name="consent")
people = typer.Typer(
    help="What is kept of one customer: handed out, or forgotten.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(people, name="contacts")
tokens = typer.Typer(help="Tokens for the API and the console.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(tokens, name="tokens")
app.add_typer(cli_templates.app, name="templates")
keys = typer.Typer(help="The keys that content is encrypted with.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(keys, name="keys")

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
EventIds = Annotated[list[str], typer.Argument(help="Ids as `events list` shows them.", metavar="ID...")]


def main() -> NoReturn:
    """The console script."""
    with _one_line_for_failures():
        app()
    sys.exit(0)


@app.callback(invoke_without_command=True)
def _root(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if show_version:
        typer.echo(f"deskbridge {version('deskbridge')}")
        raise typer.Exit


@app.command()
def up() -> None:
    """Run everything as one process group; with nothing configured, with a sandbox to try it in."""
    from bridge.runtime.settings import load_environment, load_settings

    folder = Path.cwd()
    _stay(load_settings(load_environment(folder)))
    from bridge.runtime import launcher

    raise typer.Exit(launcher.up(lambda: load_environment(folder)))


@app.command()
def serve() -> None:
    """Run the web part alone: webhooks, /healthz, /readyz, /metrics."""
    settings = _for_accounts()
    settings.account()
    _stay(settings)
    from bridge.runtime import web
    from bridge.runtime.configuration import Configuration

    web.run(Configuration(settings, _for_accounts))


@app.command()
def worker(
    count: Annotated[int | None, typer.Option(min=1, max=64, help="Processes; default DESKBRIDGE_WORKERS.")] = None,
) -> None:
    """Run workers alone: they do what the events ask for."""
    settings = _for_accounts()
    settings.account()
    _stay(settings)
    from bridge.runtime import worker as worker_role
    from bridge.runtime.configuration import Configuration, renewal
    from bridge.runtime.supervisor import Role, Supervisor

    configuration = Configuration(settings, _for_accounts)
    processes = settings.workers if count is None else count
    if processes == 1:
        worker_role.run(configuration)
    else:
        role = Role("worker", lambda: worker_role.run(configuration), count=processes, hears_hangup=True)
        raise typer.Exit(Supervisor([role], renewal=renewal(configuration)).run())


@app.command()
def scheduler() -> None:
    """Run the scheduler alone: it rings for whatever lies too long. Two of them do no harm."""
    settings = _for_accounts()
    settings.account()
    _stay(settings)
    from bridge.runtime import scheduler as scheduler_role
    from bridge.runtime.configuration import Configuration

    scheduler_role.run(Configuration(settings, _for_accounts))


@app.command()
def sandbox(
    host: Annotated[str, typer.Option(help="Where it listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where it listens.")] = 8001,
) -> None:
    """Run the simulators of the Cloud API and of the helpdesks alone."""
    settings = _for_data()
    from bridge.runtime import sandbox_accounts

    clock_file = settings.clock_file or sandbox_accounts.clock_file(settings.data_dir)
    sandbox_accounts.become_sandbox(settings.data_dir, host=host, port=port, clock_file=clock_file)


@app.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    settings = _for_data()
    from bridge.runtime import wiring

    settings.encryption_keys()
    wiring.migrate(settings)
    typer.echo("the schema is current")


@app.command()
def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Make what is missing, where that is possible.")] = False,
    as_json: Json = False,
) -> None:
    """Check the set-up against the live accounts: a line each, with the mend. Exit 1 if anything is red."""
    settings = _for_accounts(beside_up=True)
    settings.account()
    from bridge.runtime import doctor as doctor_role

    _print_findings(doctor_role.run(settings, fix=fix), as_json=as_json)


def _print_findings(findings: "Sequence[Finding]", *, as_json: bool) -> None:
    """Findings line by line; exit 1 where one is red."""
    from connectors.interface import FindingLevel

    if as_json:
        _print_json(findings)
    else:
        for finding in findings:
            mend = f" -> {finding.mend}" if finding.mend and finding.level is not FindingLevel.OK else ""
            typer.echo(f"{finding.level.value:<8} {finding.check}: {finding.message}{mend}")
    red_count = sum(finding.level is FindingLevel.RED for finding in findings)
    if red_count:
        _fail(f"{red_count} of {len(findings)} checks are red")


@app.command()
def reconcile(as_json: Json = False) -> None:
    """Ask the helpdesk now what its webhooks may have failed to tell."""
    settings = _for_accounts()
    settings.account()
    from bridge.runtime import operations

    count = operations.reconcile(settings)
    _print_count(count, "ticket(s) to look at", as_json=as_json)


@events.command("list")
def events_list(
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """List dead letters: ids, kinds and reasons, nobody's texts."""
    settings = _for_data()
    from bridge.runtime import operations

    found = operations.list_events(settings, state=state, limit=limit)
    if as_json:
        _print_json(found)
    elif not found:
        typer.echo("no events")
    for summary in () if as_json else found:
        typer.echo("  ".join(_shown(value) for value in _plain(summary).values()))


@events.command("causes")
def events_causes(as_json: Json = False) -> None:
    """Count dead letters by what failed and why, the most frequent first."""
    settings = _for_data()
    from bridge.runtime import operations

    found = operations.list_causes(settings)
    if as_json:
        _print_json(found)
    elif not found:
        typer.echo("no dead letters")
    for cause in () if as_json else found:
        typer.echo("  ".join(_shown(value) for value in _plain(cause).values()))


@events.command("show")
def events_show(
    event_id: Annotated[str, typer.Argument(help="An id as `events list` shows it.", metavar="ID")],
    reveal: Annotated[bool, typer.Option("--reveal", help="Decrypt what the customer or agent wrote, too.")] = False,
    as_json: Json = False,
) -> None:
    """Show one event whole, and step by step what was done about it."""
    settings = _for_data()
    from bridge.runtime import operations

    detail, steps = operations.show_event(settings, event_id, reveal=reveal)
    if as_json:
        _print_json(_plain(detail) | {"steps": steps})
        return
    for name, value in _plain(detail).items():
        typer.echo(f"{name:<18} {_shown(value)}")
    typer.echo("")
    for step in steps:
        took = "" if step.milliseconds is None else f" after {step.milliseconds} ms"
        reason = "" if step.reason is None else f": {step.reason}"
        again = "" if step.next_at is None else f"; again at {_shown(step.next_at)}"
        typer.echo(f"{_shown(step.at)}  {step.text}{reason}{took}{again}")


@events.command("replay")
def events_replay(
    event_ids: Annotated[list[str] | None, typer.Argument(help="Ids of dead letters.", metavar="[ID...]")] = None,
    every: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
    cause: Annotated[str | None, typer.Option(help="All that failed for this reason (`events causes`).")] = None,
    as_json: Json = False,
) -> None:
    """Try dead letters again."""
    if sum((every, bool(event_ids), cause is not None)) != 1:
        raise typer.BadParameter("give ids, or --cause, or --all")
    settings = _for_data()
    from bridge.runtime import operations
    from bridge.store.dead_letters import Chosen

    count = operations.replay(settings, Chosen(ids=event_ids or None, reason=cause))
    _print_count(count, "event(s) will be tried again", as_json=as_json)


@events.command("import-history")
def events_import_history(as_json: Json = False) -> None:
    """Put what was said in the WhatsApp Business app, as far as Meta has told it, on the tickets as notes."""
    settings = _for_data()
    from bridge.runtime import history

    imported = history.request(settings)
    if as_json:
        _print_json(imported)
    else:
        typer.echo(f"{imported.threads} conversation(s) will be put on their tickets")


@events.command("drop")
def events_drop(event_ids: EventIds, as_json: Json = False) -> None:
    """Give dead letters up for good."""
    settings = _for_data()
    from bridge.runtime import operations

    count = operations.drop(settings, event_ids)
    _print_count(count, "event(s) dropped", as_json=as_json)


@helpdesks.command("list")
def connectors_list(as_json: Json = False) -> None:
    """List the helpdesks that DESKBRIDGE_HELPDESK takes."""
    from bridge.runtime import connector_trial

    found = connector_trial.list_connectors()
    if as_json:
        _print_json(found)
    for summary in () if as_json else found:
        typer.echo(f"{summary.name:<16} {summary.origin:<10} {', '.join(summary.variables)}")


@helpdesks.command("verify")
def connectors_verify(
    name: Annotated[str, typer.Argument(help="A name as `connectors list` shows it.", metavar="NAME")],
    as_json: Json = False,
) -> None:
    """Try every promise of the contract on the configured account: makes one contact and a dozen tickets there."""
    from bridge.runtime import connector_trial
    from bridge.runtime.sandbox_accounts import environment_beside_sandbox
    from bridge.runtime.settings import load_environment

    environ = environment_beside_sandbox(load_environment(Path.cwd()))
    _print_findings(connector_trial.run(name, environ), as_json=as_json)


@consent.command("export")
def consent_export(
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of JSON, a line each.")] = False,
) -> None:
    """Print the whole ledger, newest first, with numbers and details: a JSON object a line, or CSV."""
    import csv

    settings = _for_data()
    from bridge.runtime import consent_ledger

    table = csv.writer(sys.stdout)
    if as_csv:
        table.writerow(consent_ledger.COLUMNS)

    def write(line: object) -> None:
        values = _plain(line)
        if as_csv:
            table.writerow([_cell(values[name]) for name in consent_ledger.COLUMNS])
        else:
            typer.echo(json.dumps(values, default=_jsonable, ensure_ascii=False))

    consent_ledger.export(settings, write)


def _cell(value: object) -> str:
    """A value that no spreadsheet takes for a formula."""
    text = "" if value is None else str(_jsonable(value) if isinstance(value, datetime) else value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


@consent.command("record")
def consent_record(
    who: Annotated[str, typer.Argument(help="The number in any spelling of digits, or the BSUID.", metavar="WHO")],
    action: Annotated[ConsentAction, typer.Argument(help="What they said.")],
    detail: Annotated[str, typer.Option("--how", help="How they said it, e.g. 'web form, 3 May 2026'.")],
    at: Annotated[datetime | None, typer.Option(help="When, in UTC; left out: now.")] = None,
    as_json: Json = False,
) -> None:
    """Put on record what a customer said of marketing messages."""
    settings = _for_data()
    from bridge.runtime import consent_ledger

    contact_id = consent_ledger.record(
        settings, who=who, action=action, detail=detail, at=None if at is None else at.replace(tzinfo=UTC)
    )
    typer.echo(json.dumps({"contact_id": contact_id}) if as_json else f"on record for contact {contact_id}")


Who = Annotated[str, typer.Argument(help="An id of ours, a number, or a BSUID.", metavar="CONTACT")]


@people.command("export")
def contacts_export(
    who: Who,
    folder: Annotated[Path, typer.Option("--to", help="A folder that is made for it.", metavar="FOLDER")],
    as_json: Json = False,
) -> None:
    """Write everything that is kept of a customer into a folder: export.json, and their files."""
    settings = _for_data()
    from bridge.runtime import privacy

    count = privacy.export_by_command(settings, who, folder)
    _print_count(count, f"file(s) and export.json are in {folder}", as_json=as_json)


@people.command("erase")
def contacts_erase(
    who: Who,
    helpdesk: Annotated[
        bool, typer.Option("--helpdesk", help="Erase the helpdesk's user as well, with what it erases along.")
    ] = False,
    contact_book: Annotated[
        bool, typer.Option("--contact-book", help="Have Meta strike them off the number's contact book as well.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Forget a customer: rows, files, dead letters. There is no way back, backups apart."""
    settings = _for_accounts() if helpdesk or contact_book else _for_data()
    if helpdesk or contact_book:
        settings.account()
    if not yes:
        typer.confirm("Forget this customer for good?", abort=True, err=True)
    from bridge.runtime import privacy

    done = privacy.erase_by_command(settings, who, helpdesk=helpdesk, contact_book=contact_book)
    if as_json:
        _print_json(done)
        return
    rows = ", ".join(f"{count} {table}" for table, count in sorted(done.rows.items()))
    typer.echo(f"forgotten: {done.contact_id} ({rows}; {done.files} file(s))")
    if helpdesk or contact_book:
        typer.echo(f"far sides: {done.helpdesk_users} helpdesk user(s), {done.contact_book} in Meta's contact book")


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="A file that is made for it.", metavar="FILE")], as_json: Json = False
) -> None:
    """Write the whole installation into a file, while all runs. The keys are not in it: keep them apart."""
    settings = _for_data()
    from bridge.runtime import backup as backup_role

    _print_saved(backup_role.save(settings, target), f"{target} holds", as_json=as_json)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A file that `backup` wrote.", metavar="FILE")],
    as_read: Annotated[
        bool,
        typer.Option("--as-read", help="What stands on tickets by now counts as dealt with: it is not sent again."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Fill an empty database, of either kind, from a backup. Stop everything first."""
    settings = _for_data()
    settings.encryption_keys()
    from bridge.runtime import backup as backup_role

    _print_saved(backup_role.restore(settings, source, as_read=as_read), "restored:", as_json=as_json)


def _print_saved(saved: object, what: str, *, as_json: bool) -> None:
    if as_json:
        _print_json(saved)
        return
    values = _plain(saved)
    rows = sum(values["rows"].values())
    typer.echo(f"{what} {rows} row(s) of {len(values['rows'])} tables, {values['files']} file(s)")


@tokens.command("create")
def tokens_create(
    name: Annotated[str, typer.Argument(help="Whom it is for; the audit shows it.", metavar="NAME")],
    role: Annotated[
        Role, typer.Option(help="read-only: states alone. agent: content, dead letters. admin: everything.")
    ] = Role.READ_ONLY,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Valid so long; default until revoked.")] = None,
    as_json: Json = False,
) -> None:
    """Make a token and print it, this once."""
    settings = _for_data()
    from bridge.runtime import tokens as tokens_role

    if not tokens_role.is_name(name):
        raise typer.BadParameter("a name is 1 to 64 letters, digits, spaces and . _ @ -", param_hint="NAME")
    valid_for = None if days is None else timedelta(days=days)
    made, secret = tokens_role.create_by_command(settings, name=name, role=role, valid_for=valid_for)
    if as_json:
        _print_json(_plain(made) | {"token": secret})
    else:
        typer.echo(secret)


@tokens.command("list")
def tokens_list(as_json: Json = False) -> None:
    """List tokens: who, which role, since and until when, last used. Never the tokens themselves."""
    settings = _for_data()
    from bridge.runtime import tokens as tokens_role

    found = tokens_role.list_by_command(settings)
    if as_json:
        _print_json(found)
    for token in () if as_json else found:
        typer.echo("  ".join(_shown(value) for value in _plain(token).values()))


@tokens.command("revoke")
def tokens_revoke(
    name: Annotated[str, typer.Argument(help="A name or an id as `tokens list` shows it.", metavar="NAME")],
    as_json: Json = False,
) -> None:
    """End a token at once."""
    settings = _for_data()
    from bridge.runtime import tokens as tokens_role

    _print_count(tokens_role.revoke_by_command(settings, name), "token(s) revoked", as_json=as_json)


@keys.command("rotate")
def keys_rotate(as_json: Json = False) -> None:
    """Encrypt everything anew under the newest key, while all runs. Says which keys may be removed then.

    Before: put the new key in front of DESKBRIDGE_ENCRYPTION_KEYS and send SIGHUP to what runs (or restart it).
    """
    settings = _for_data()
    from bridge.runtime import key_rotation

    done = key_rotation.rotate(settings)
    if as_json:
        _print_json(done)
    else:
        typer.echo(f"{'key':<12}{'values before':>14}{'now':>10}")
        for name in sorted(done.before | done.now, key=lambda name: name != done.newest):
            newest = "   newest" if name == done.newest else ""
            typer.echo(f"{name:<12}{done.before.get(name, 0):>14}{done.now.get(name, 0):>10}{newest}")
        kinds = ", ".join(f"{count} {kind}" for kind, count in done.rewritten.items())
        typer.echo(f"written anew: {kinds or 'nothing, there was nothing to do'}")
        for name in done.removable:
            typer.echo(f"nothing is left under {name}: it can be removed from DESKBRIDGE_ENCRYPTION_KEYS now")
    if done.damaged:
        _fail(
            f"{sum(done.damaged.values())} value(s) do not open with their own key ({', '.join(done.damaged)}): "
            "keep the old keys, and restore these rows from a backup"
        )
    if done.still_used:
        _fail(
            f"a running process still encrypts with {', '.join(done.still_used)}: send it SIGHUP (or restart it), "
            "then run this again"
        )
    if done.left:
        _fail(f"{done.left} value(s) are still under another key: keep the old keys, and run this again")


def _for_accounts(*, beside_up: bool = False) -> "Settings":
    """Settings of a command that talks to the accounts, or to those of a sandbox that `up` started. `beside_up`: where
    no address is configured, ours is the one where `up` listens."""
    from bridge.runtime.sandbox_accounts import environment_beside_sandbox, environment_beside_up
    from bridge.runtime.settings import load_environment, load_settings

    environ = load_environment(Path.cwd())
    return load_settings(environment_beside_sandbox(environment_beside_up(environ) if beside_up else environ))


def _for_data() -> "Settings":
    """Settings of a command that talks to nobody."""
    from bridge.runtime.settings import load_environment, load_settings

    return load_settings(load_environment(Path.cwd()), accounts=False)


def _stay(settings: "Settings") -> None:
    """Prepare a process that stays: signals, logs, and a word on names that mean nothing."""
    from bridge.runtime import log
    from bridge.runtime.sentry import SentryReports
    from bridge.runtime.settings import load_environment, unknown_variables

    # A SIGHUP that comes before anybody takes it waits, instead of ending the process.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    dsn = settings.sentry_dsn
    release = f"deskbridge@{version('deskbridge')}"
    reports = None if dsn is None else SentryReports(dsn.get_secret_value(), release=release)
    log.configure(settings.log_format, sentry=reports)
    for line in unknown_variables(load_environment(Path.cwd())):
        typer.echo(f"deskbridge: warning: {line}", err=True)


@contextmanager
def _one_line_for_failures() -> Iterator[None]:
    try:
        yield
    except Exception as exc:  # noqa: BLE001 - a traceback would show texts and secrets
        _fail(_line_for(exc))


def _line_for(exc: Exception) -> str:
    import structlog
    from redis.exceptions import RedisError

    from bridge.runtime import log
    from bridge.runtime.operator_error import OperatorError
    from bridge.store.crypto import CannotDecrypt, UnknownKey
    from bridge.store.database import StoreUnavailable
    from bridge.store.migration import SchemaNotCurrent

    match exc:
        case OperatorError() | CannotDecrypt() | UnknownKey() | SchemaNotCurrent():
            return str(exc)
        case StoreUnavailable():
            return "the database does not answer: see that it runs, and that DESKBRIDGE_DATABASE_URL is right"
        case RedisError():
            return "Redis does not answer: see that it runs, and that DESKBRIDGE_REDIS_URL is right"
        case _:
            log.configure()
            structlog.get_logger().error("command.failed", exc_info=exc)
            return f"a mistake of deskbridge itself ({log.exception_type(exc)}): please report the lines above"


def _fail(line: str) -> NoReturn:
    typer.echo(f"deskbridge: {line}", err=True)
    sys.exit(1)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, default=_jsonable, indent=2))


def _print_count(count: int, what: str, *, as_json: bool) -> None:
    typer.echo(json.dumps({"count": count}) if as_json else f"{count} {what}")


def _plain(value: Any) -> dict[str, Any]:
    return asdict(value)


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ")
    return "-" if value is None else str(value)


def _jsonable(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)

"""`hardcase messages`: the targets of notifications, the newest deliveries, a test message, and the secrets."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from db.repositories.running import messages as ledger
from labeling.errors import NotFound
from service.cli.output import AsJson, connected, emit, fields_of, keep_typed_secret, table
from service.engines.egress import check_target
from service.notifications.sending import deliver
from service.notifications.summary import alarm_words
from service.notifications.targets import Target, load_messages, message_secret, secret_for
from service.settings import Settings

app = typer.Typer(no_args_is_help=True)
LAST = 20
TARGETS = ["id", "wants", "projects", "local", "secret"]
DELIVERIES = ["target", "subject", "attempts", "delivered", "detail", "created_at"]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the targets of messages.yaml, what each is sent, and the newest deliveries.

    Example: hardcase messages list
    """
    with connected(as_json) as hardcase:
        newest = hardcase.read(ledger.listing, LAST)
        targets = [_document(hardcase.settings, one) for one in load_messages(hardcase.settings).values()]
        sent = [fields_of(one, DELIVERIES) for one in newest]
        tables = (table("targets", TARGETS, targets), table("newest messages", DELIVERIES, sent))
        emit(as_json, {"targets": targets, "messages": sent}, *tables)


@app.command()
def test(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="As `hardcase messages list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """Send one message now, to see whether it arrives.

    Example: hardcase messages test webhook:chat
    """
    with connected(as_json) as hardcase:
        found = load_messages(hardcase.settings)
        if target not in found:
            raise NotFound(f"There is no target {target!r}. messages.yaml has: {', '.join(found) or 'none yet'}.")
        one, now = found[target], datetime.now(UTC)
        check_target(hardcase.settings, one.id, one.local)
        words = alarm_words("hardcase", "a test", "Messages arrive here.", hardcase.settings.address, {})
        body = {"about": "test", "project": "", "text": words.text, "html": words.html, "facts": {}}
        secret = secret_for(hardcase.settings, one).get_secret_value()
        said = deliver(one, secret, f"test:{secrets.token_hex(8)}", words.subject, body, now)
        emit(as_json, {"target": target, "said": said}, f"{target}: {said}")


@app.command()
def key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A webhook's name in messages.yaml, or smtp.")],
    as_json: AsJson = False,
) -> None:
    """Keep the mail server's password, or the secret that signs a webhook's messages; it is not displayed.

    Example: hardcase messages key smtp
    """
    with connected(as_json) as hardcase:
        known = {target.secret for target in load_messages(hardcase.settings).values()}
        if name not in known:
            raise NotFound(f"There is no {name!r} in messages.yaml. It has: {', '.join(sorted(known)) or 'none yet'}.")
        words = keep_typed_secret(hardcase, message_secret(name), "Secret", "messages.key", name)
        emit(as_json, {"name": name, "kept": True}, words)


def _document(settings: Settings, target: Target) -> dict[str, Any]:
    return {
        "id": target.id,
        "wants": ", ".join(sorted(target.wants)),
        "projects": "all" if target.projects is None else ", ".join(sorted(target.projects)),
        "local": target.local,
        "secret": bool(secret_for(settings, target).get_secret_value()),
    }

"""Who gets which messages, as the administrator of this installation wrote it in `messages.yaml`.

In: the settings. Out: targets by name, and their secrets. No project and no caller of the API can name a host or a
recipient: only the administrator decides where messages go.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from service.engines.egress import is_local_address
from service.settings import Settings, kept_secret
from service.written_files import Strict, read_file

SMTP = "smtp"
"""The name under which the mail server's password is kept."""


class Wanted(StrEnum):
    """What a target may want messages about."""

    ALARMS = "alarms"
    WEEKLY = "weekly"


def _address(value: str) -> str:
    local, at, domain = value.partition("@")
    plain = value.isascii() and value.isprintable() and not set(value) & set(' ,;:<>()[]"\\')
    if not (local and at and domain and plain and "@" not in domain) or len(value) > 254:
        raise ValueError("an e-mail address is name@host, without anything around it")
    return value


Address = Annotated[str, AfterValidator(_address)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")]
Projects = Literal["all"] | Annotated[list[str], Field(min_length=1)]


class SmtpIn(Strict):
    """The mail server; `docs/how-to/messages.md` explains every line."""

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$")]
    port: int = Field(default=587, ge=1, le=65_535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: Address = Field(alias="from")
    user: str = ""
    local: bool = False

    @model_validator(mode="after")
    def _local_is_private(self) -> SmtpIn:
        if self.local and not is_local_address(self.host):
            raise ValueError("`local: true` needs a loopback or private address, written as a number")
        if self.security == "none" and not self.local:
            raise ValueError("`security: none` sends passwords and mail in clear; it needs `local: true`")
        return self


class _Group(Strict):
    projects: Projects = "all"
    wants: Annotated[list[Wanted], Field(min_length=1)] = [Wanted.ALARMS, Wanted.WEEKLY]


class MailIn(_Group):
    """A group of people who get mail."""

    to: Annotated[list[Address], Field(min_length=1, max_length=50)]


class WebhookIn(_Group):
    """A program that is sent messages."""

    url: str
    local: bool = False

    @field_validator("url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
            raise ValueError("a webhook's url is http(s)://host[:port]/path")
        if parts.username or parts.password:
            raise ValueError("a secret must not be in the url; `hardcase messages key NAME` takes it")
        return value

    @model_validator(mode="after")
    def _local_is_private(self) -> WebhookIn:
        if self.local and not is_local_address(str(urlsplit(self.url).hostname)):
            raise ValueError("`local: true` needs a loopback or private address in the url, written as a number")
        if not self.local and not self.url.startswith("https://"):
            raise ValueError("a webhook that is not `local` needs an https address")
        return self


class _File(Strict):
    smtp: SmtpIn | None = None
    mail: dict[Name, MailIn] = {}
    webhooks: dict[Name, WebhookIn] = {}

    @model_validator(mode="after")
    def _mail_needs_a_server(self) -> _File:
        if self.mail and self.smtp is None:
            raise ValueError("`mail` needs `smtp`, the server that takes it")
        if SMTP in self.webhooks:
            raise ValueError(f"a webhook cannot be called {SMTP!r}")
        return self


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One person's mailbox, and the server that takes mail for it."""

    server: SmtpIn
    address: str


@dataclass(frozen=True, slots=True)
class Webhook:
    """A program's address."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Target:
    """One recipient: `id` names it in the ledger of messages. `local`: it is in this network."""

    id: str
    to: Mailbox | Webhook
    wants: frozenset[Wanted]
    projects: frozenset[str] | None
    local: bool

    @property
    def group(self) -> str:
        """Its name in the file, without an address: for logs and alarms."""
        return ":".join(self.id.split(":")[:2])

    @property
    def secret(self) -> str:
        """The name of the secret that it takes."""
        return SMTP if isinstance(self.to, Mailbox) else self.to.name

    def wants_to_hear(self, what: Wanted, project: str) -> bool:
        """Whether this target gets such messages about this project."""
        return what in self.wants and (self.projects is None or project in self.projects)


def load_messages(settings: Settings) -> dict[str, Target]:
    """The targets of this installation by id; none where there is no file.

    Raises
    ------
    Invalid
        When the file has mistakes; it names every one and its place.
    """
    found = read_file(_path(settings), _File)
    return {target.id: target for target in (*_mailboxes(found), *_webhooks(found))}


def has_targets(settings: Settings) -> bool:
    """Whether this installation may have targets: whether there is a file of them."""
    return _path(settings).exists()


def secret_for(settings: Settings, target: Target) -> SecretStr:
    """The password of the mail server, or the secret that signs what a webhook is sent; empty where none was given."""
    return SecretStr(kept_secret(settings, message_secret(target.secret)))


def message_secret(name: str) -> str:
    """The name under which a secret is kept: of the mail server (`smtp`), or of a webhook."""
    return f"messages:{name}"


def _path(settings: Settings) -> Path:
    return settings.home / "messages.yaml"


def _mailboxes(found: _File) -> list[Target]:
    return [
        Target(f"mail:{name}:{address}", Mailbox(found.smtp, address), *_wishes(group), found.smtp.local)
        for name, group in found.mail.items()
        for address in group.to
        if found.smtp is not None
    ]


def _webhooks(found: _File) -> list[Target]:
    return [
        Target(f"webhook:{name}", Webhook(name, hook.url), *_wishes(hook), hook.local)
        for name, hook in found.webhooks.items()
    ]


def _wishes(group: _Group) -> tuple[frozenset[Wanted], frozenset[str] | None]:
    return frozenset(group.wants), None if group.projects == "all" else frozenset(group.projects)

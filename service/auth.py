"""Who calls and what they may do: API keys, their roles and projects, page sessions and their form tokens.

A key is `hck_<prefix>_<secret>`; the database holds its prefix, a salt and SHA-256(salt + secret). A slow hash would
protect nothing here: the secret is 256 random bits, which cannot be guessed, and every request computes the hash. A
session is a signed cookie with a secret of its own, and a row with the hash of that: logging out removes the row, and
the key is read again at each request, so a key that was revoked, has expired or has other rights ends its sessions.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy.orm import Session

from db.repositories.people import keys, page_sessions
from db.repositories.people.keys import StoredKey
from db.repositories.people.page_sessions import OpenSession
from labeling.errors import Denied, Invalid, Unauthenticated
from labeling.jobs import Role
from labeling.types import KeyId

SESSION_AGE_S = 12 * 3600
SKEW_S = 600
"""So much later than now a cookie may have been made: clocks of several machines differ, and are set."""
MIN_SECRET_LENGTH = 32
_RANK = {Role.READ: 0, Role.INGEST: 1, Role.ENGINEER: 2, Role.ADMIN: 3}
_NOBODY = "0" * 64
_KEY = re.compile(r"hck_([0-9a-f]{12})_")


@dataclass(frozen=True, slots=True)
class Caller:
    """A key in force: what it is called, what it may do, and which projects it sees (None = all)."""

    key_id: KeyId
    prefix: str
    name: str
    role: Role
    projects: frozenset[str] | None

    def sees(self, project_name: str) -> bool:
        return self.projects is None or project_name in self.projects

    def may(self, role: Role) -> bool:
        return _RANK[self.role] >= _RANK[role]


@dataclass(frozen=True, slots=True)
class PageSession:
    """The content of a session's cookie: its key (None before login), and the seed of its form tokens."""

    key_id: KeyId | None
    nonce: str


def issue_key(
    session: Session,
    *,
    name: str,
    role: Role,
    projects: Sequence[str] | None,
    now: datetime,
    expires_at: datetime | None = None,
) -> tuple[StoredKey, str]:
    """Make a key; its text is returned this once and never again. Invalid if it would have expired already."""
    if expires_at is not None and expires_at <= now:
        raise Invalid("This time is past, so the key would never be in force. Give a later one.")
    prefix, salt, secret = secrets.token_hex(6), secrets.token_hex(16), secrets.token_urlsafe(32)
    proof = {"prefix": prefix, "salt": salt, "digest": _digest(salt, secret)}
    stored = keys.add(session, name=name, role=role, projects=projects, now=now, expires_at=expires_at, **proof)
    return stored, f"hck_{prefix}_{secret}"


def identify(session: Session, text: str, now: datetime) -> Caller:
    """The caller who holds this key; Unauthenticated if it is malformed, unknown, wrong, revoked or expired."""
    prefix, _, secret = text.strip().removeprefix("hck_").partition("_")
    if not prefix or prefix != prefix_of(text):
        raise Unauthenticated()
    stored = keys.by_prefix(session, prefix)
    salt, digest = (stored.salt, stored.digest) if stored else ("", _NOBODY)
    right = hmac.compare_digest(_digest(salt, secret), digest)
    if stored is None or not right or not stored.in_force(now):
        raise Unauthenticated()
    return _caller(stored)


def prefix_of(text: str) -> str:
    """The prefix of what is written like a key of ours, which is no secret; empty for anything else.

    >>> prefix_of("hck_3f9a0c1b2d4e_a-secret"), prefix_of("a-secret")
    ('3f9a0c1b2d4e', '')
    """
    found = _KEY.match(text.strip())
    return found[1] if found else ""


def require(caller: Caller, role: Role) -> None:
    """Denied unless the caller's role covers this one."""
    if not caller.may(role):
        raise Denied(f"This needs a key with the role {role.value}; {caller.name!r} has {caller.role.value}.")


def check_strength(secret: str) -> None:
    """Invalid for a missing or short signing secret; there is no default one."""
    if not secret:
        raise Invalid("There is no signing secret yet. Run `hardcase init`.")
    if len(secret) < MIN_SECRET_LENGTH or len(set(secret)) < 8:
        raise Invalid(f"HARDCASE_SECRET must be at least {MIN_SECRET_LENGTH} random characters long.")


def open_session(key_id: KeyId | None) -> PageSession:
    """A new session, with form tokens of its own."""
    return PageSession(key_id, secrets.token_urlsafe(18))


def seal_session(signing: Sequence[str], page_session: PageSession) -> str:
    """The cookie's value; `signing` holds the secret in force first, then the one before it."""
    return str(_serializer(signing).dumps([page_session.key_id, page_session.nonce]))


def read_session(signing: Sequence[str], cookie: str) -> PageSession | None:
    """The session in a cookie; None if it is not ours or has expired."""
    try:
        (key_id, nonce), made_at = _serializer(signing).loads(cookie, return_timestamp=True)
    except (BadSignature, ValueError, TypeError):
        return None
    if not -SKEW_S <= time.time() - made_at.timestamp() <= SESSION_AGE_S:
        return None
    return PageSession(None if key_id is None else KeyId(int(key_id)), str(nonce))


def log_in(session: Session, caller: Caller, now: datetime) -> PageSession:
    """Open a session for a caller who has just shown a key."""
    opened = open_session(caller.key_id)
    projects = None if caller.projects is None else tuple(sorted(caller.projects))
    expires_at = now + timedelta(seconds=SESSION_AGE_S)
    found = OpenSession(caller.key_id, caller.role, projects, opened_at=now, expires_at=expires_at)
    page_sessions.add(session, _proof_of(opened), found)
    return opened


def log_out(session: Session, page_session: PageSession) -> None:
    """End a session: a copy of its cookie is worth nothing from here on."""
    page_sessions.end(session, _proof_of(page_session))


def session_caller(session: Session, page_session: PageSession | None, now: datetime) -> Caller:
    """Who is logged in; Unauthenticated if nobody is, who was has logged out, or the key is not what it was."""
    if page_session is None or page_session.key_id is None:
        raise Unauthenticated("Log in first.")
    opened = page_sessions.by_digest(session, _proof_of(page_session))
    if opened is None or opened.key_id != page_session.key_id or now >= opened.expires_at:
        raise Unauthenticated("This session is over. Log in again.")
    stored = keys.by_id(session, page_session.key_id)
    if stored is None or not stored.in_force(now):
        raise Unauthenticated("The key of this session is not in force any more. Log in with another.")
    caller = _caller(stored)
    if (caller.role, caller.projects) != (opened.role, _set_of(opened.projects)):
        raise Unauthenticated("The rights of this session's key have changed. Log in again.")
    return caller


def form_token(signing: Sequence[str], page_session: PageSession) -> str:
    """The token of every form of this session."""
    signing_key = hashlib.sha256(b"hardcase form\0" + signing[0].encode()).digest()
    return hmac.new(signing_key, page_session.nonce.encode(), "sha256").hexdigest()


def check_form(signing: Sequence[str], page_session: PageSession | None, token: str) -> None:
    """Denied unless the form was served by us to this very session."""
    if page_session is None or not any(
        hmac.compare_digest(form_token([secret], page_session).encode(), token.encode("utf-8", "replace"))
        for secret in signing
    ):
        raise Denied("This form is too old or came from elsewhere. Load the page again and repeat.")


def _serializer(signing: Sequence[str]) -> URLSafeTimedSerializer:
    newest_last = [hashlib.sha256(b"hardcase session\0" + s.encode()).digest() for s in reversed(signing)]
    return URLSafeTimedSerializer(newest_last, salt="session", signer_kwargs={"digest_method": hashlib.sha256})


def _digest(salt: str, secret: str) -> str:
    return hashlib.sha256(f"{salt}{secret}".encode("utf-8", "replace")).hexdigest()


def _proof_of(page_session: PageSession) -> str:
    return hashlib.sha256(b"hardcase page session\0" + page_session.nonce.encode()).hexdigest()


def _caller(stored: StoredKey) -> Caller:
    return Caller(stored.id, stored.prefix, stored.name, stored.role, _set_of(stored.projects))


def _set_of(projects: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if projects is None else frozenset(projects)

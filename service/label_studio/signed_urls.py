"""Signed, expiring addresses of images: made by the worker for Label Studio, checked by the web process.

In: the secret and what the address is to show. Out: a path with query, or the proof that one is genuine. The
signature covers method, path, expiry and the id of the key, so nothing in it can be changed; a rotated secret
stays valid for what it signed, until that expires.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, quote, urlsplit

from labeling.errors import Denied, Invalid
from service.label_studio.proofs import is_one_of, key_for

_HASH = re.compile(r"[0-9a-f]{16,128}")
_MAX_EXPIRY = 10**11  # seconds; far beyond any date, and short of what overflows
LONGEST_LIFE = timedelta(days=62)
"""No address is made for longer; one that says so was made while a clock was far ahead, and is not valid for years."""


def sign_media(secret: str, *, token: str, expires_at: datetime, now: datetime) -> str:
    """The path under which the image of the review with this token is served until `expires_at`.

    >>> from datetime import timedelta
    >>> noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    >>> sign_media("s" * 32, token="abc", expires_at=noon + timedelta(days=30), now=noon).split("?")[0]
    '/media/review/abc'
    """
    return _signed(secret, f"/media/review/{quote(token, safe='')}", expires_at, now)


def sign_region(secret: str, *, token: str, expires_at: datetime, now: datetime) -> str:
    """The path of the overlay of this review: where the pre-selected class is thought to be."""
    return _signed(secret, f"/media/region/{quote(token, safe='')}", expires_at, now)


def sign_picture(secret: str, *, project_id: int, content_hash: str, expires_at: datetime, now: datetime) -> str:
    """The path under which a page shows an image of a project; showing it is not recorded."""
    if not _HASH.fullmatch(content_hash):
        raise Invalid(f"{content_hash!r} is not a content hash.")
    return _signed(secret, f"/media/picture/{project_id}/{content_hash}", expires_at, now)


def verify_media(
    secrets: Sequence[str], *, method: str, path: str, expiry: str, key: str, signature: str, now: datetime
) -> None:
    """Denied unless one of the secrets signed exactly this and it has not expired."""
    expected = [f"{key_id(secret)}.{_signature(secret, method, path, expiry)}" for secret in secrets]
    if not is_one_of(expected, f"{key}.{signature}"):
        raise Denied("This address was changed or is not one of ours. Open the task again in Label Studio.")
    if not timedelta(0) < _expires(expiry) - now <= LONGEST_LIFE:
        raise Denied("This address has expired. Open the task again in Label Studio; it is renewed by the sweep.")


def expiry_of(address: str) -> datetime:
    """When a signed address (with or without its origin) expires; the sweep renews those near their end."""
    return _expires(parse_qs(urlsplit(address).query).get("expires", [""])[0])


def key_id(secret: str) -> str:
    """A name for a secret, from which the secret cannot be found."""
    return key_for(secret, "media key id").hex()[:8]


def _signed(secret: str, path: str, expires_at: datetime, now: datetime) -> str:
    if not now < expires_at <= now + LONGEST_LIFE:
        raise Invalid(f"An address must expire in the future, within {LONGEST_LIFE.days} days.")
    expiry = str(int(expires_at.timestamp()))
    return f"{path}?expires={expiry}&key={key_id(secret)}&signature={_signature(secret, 'GET', path, expiry)}"


def _signature(secret: str, method: str, path: str, expiry: str) -> str:
    message = "\n".join((method, path, expiry, key_id(secret)))
    digest = hmac.new(key_for(secret, "media"), message.encode("utf-8", "replace"), "sha256").digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _expires(expiry: str) -> datetime:
    if not (expiry.isascii() and expiry.isdigit()) or int(expiry[:12]) > _MAX_EXPIRY:
        raise Invalid("This address carries no expiry.")
    return datetime.fromtimestamp(int(expiry), UTC)

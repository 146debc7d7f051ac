"""Signed media addresses: genuine ones pass, anything changed is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.errors import Denied, Invalid
from service.label_studio.signed_urls import expiry_of, sign_media, sign_picture, verify_media

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
SECRET, OTHER = "s" * 40, "t" * 40


def check(
    address: str,
    *,
    secrets: tuple[str, ...] = (SECRET,),
    now: datetime = NOW,
    method: str = "GET",
    **changed: str,
) -> None:
    parts = urlsplit(address)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    given_values = {"path": parts.path, "expiry": query["expires"], "key": query["key"]}
    given_values |= {"signature": query["signature"], **changed}
    verify_media(secrets, method=method, now=now, **given_values)


def test_a_genuine_address_passes_until_it_expires() -> None:
    address = sign_media(SECRET, token="tok", expires_at=LATER, now=NOW)

    check(address)
    check(address, now=LATER - timedelta(seconds=1))

    assert expiry_of("http://host" + address) == LATER


def test_an_address_from_a_clock_that_was_far_ahead_is_refused() -> None:
    """It was made in ten years from now, for as long as every other."""
    ahead = NOW + timedelta(days=3_650)
    address = sign_media(SECRET, token="tok", expires_at=ahead + timedelta(days=60), now=ahead)

    check(address, now=ahead)
    with pytest.raises(Denied, match="expired"):
        check(address, now=NOW)


@pytest.mark.parametrize("late_s", [0, 1, 3600])
def test_an_expired_address_is_refused(late_s: int) -> None:
    address = sign_media(SECRET, token="tok", expires_at=LATER, now=NOW)

    with pytest.raises(Denied, match="expired"):
        check(address, now=LATER + timedelta(seconds=late_s))


@pytest.mark.parametrize(
    "changed",
    [
        {"path": "/media/review/other"},
        {"path": "/media/picture/1/" + "a" * 64},
        {"expiry": str(int(LATER.timestamp()) + 1)},
        {"expiry": "9" * 400},
        {"expiry": "１"},
        {"key": "00000000"},
        {"key": "\udc80"},
        {"signature": ""},
        {"signature": "\udc80"},
        {"method": "HEAD"},
        {"method": "POST"},
    ],
)
def test_every_change_is_refused(changed: dict[str, str]) -> None:
    address = sign_media(SECRET, token="tok", expires_at=LATER, now=NOW)

    with pytest.raises(Denied):
        check(address, **changed)  # type: ignore[arg-type]


def test_a_picture_is_bound_to_its_project() -> None:
    address = sign_picture(SECRET, project_id=1, content_hash="a" * 64, expires_at=LATER, now=NOW)

    check(address)

    with pytest.raises(Denied):
        check(address, path="/media/picture/2/" + "a" * 64)


def test_a_rotated_secret_stays_good_for_what_it_signed_and_no_longer_when_dropped() -> None:
    address = sign_media(OTHER, token="tok", expires_at=LATER, now=NOW)

    check(address, secrets=(SECRET, OTHER))

    with pytest.raises(Denied):
        check(address, secrets=(SECRET,))


def test_nothing_is_signed_without_a_secret_for_the_past_or_for_a_strange_hash() -> None:
    with pytest.raises(Invalid, match="hardcase init"):
        sign_media("", token="tok", expires_at=LATER, now=NOW)
    with pytest.raises(Invalid, match="future"):
        sign_media(SECRET, token="tok", expires_at=NOW, now=NOW)
    with pytest.raises(Invalid, match="content hash"):
        sign_picture(SECRET, project_id=1, content_hash="../../etc", expires_at=LATER, now=NOW)
    with pytest.raises(Invalid):
        expiry_of("/media/review/tok")


@given(st.text(max_size=60))
def test_no_guess_of_a_signature_passes(guess: str) -> None:
    address = sign_media(SECRET, token="tok", expires_at=LATER, now=NOW)

    with pytest.raises(Denied):
        check(address, signature=guess)

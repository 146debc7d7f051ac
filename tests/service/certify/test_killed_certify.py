"""A process that certifies is killed at every point where a step writes: the next one ends where it would have."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from db.repositories.certificates import certificates
from db.session import reading
from db.tables import (
    CertificateAuditRow,
    CertificateEndRow,
    CertificateRow,
    CertificateTermsRow,
    CertifiedImageRow,
    ExcludedImageRow,
    LabelRow,
    ReviewRow,
)
from labeling.types import LabelSource, ReviewKind
from service.work.failpoints import BESIDE
from tests.factories import NOW
from tests.forking import fork
from tests.service.certify.ground import POLICY, TERMS, Certifying
from tests.service.certify.killed import certify_until
from tests.service.certify.test_audit_step import decide

AUDITED = replace(POLICY, certificate=replace(TERMS, audit=6))


def new(made: Certifying) -> None:
    """Terms that nobody has noted."""


def before_the_look(made: Certifying) -> None:
    made.certify()
    made.play(1)
    made.version()
    made.play(2)


def with_another_version(made: Certifying) -> None:
    made.until_certified()
    made.version()


def with_audited_images(made: Certifying) -> None:
    made.until_certified()
    with reading(made.ground.parts.database) as session:
        asked = sa.select(ReviewRow).where(ReviewRow.kind == ReviewKind.AUDIT).order_by(ReviewRow.id)
        reviews = list(session.scalars(asked))
    decide(made, reviews, right=False)


BEFORE: dict[str, Callable[[Certifying], None]] = {
    "certify.before_terms": new,
    "certify.after_terms": new,
    "certify.before_write": before_the_look,
    "certify.after_write": before_the_look,
    "certify.after_delivery": before_the_look,
    "certify.before_audit": before_the_look,
    "certify.after_audit": before_the_look,
    "certify.before_end": with_another_version,
    "certify.after_end": with_another_version,
    "certify.after_taking_back": with_another_version,
    "certify.before_count": with_audited_images,
    "certify.after_count": with_audited_images,
}


def test_every_point_of_the_step_is_one_at_which_it_is_killed() -> None:
    assert BEFORE.keys() == {name for name in BESIDE if name.startswith("certify.")}


@pytest.mark.parametrize("name", BEFORE)
def test_killed_anywhere_it_goes_on_where_it_was(make: Callable[..., Certifying], name: str) -> None:
    made = make(AUDITED)
    BEFORE[name](made)

    died = _certify_elsewhere(made, name)
    made.ground.clock.at += timedelta(minutes=1)
    made.certify()
    ended = _state(made)
    made.certify()

    assert died == -signal.SIGKILL
    assert _state(made) == ended
    _assert_whole(made)


def _certify_elsewhere(made: Certifying, name: str) -> int | None:
    """Another process certifies the project and dies; its exit status."""
    parts = made.ground.parts
    address = parts.database.url.render_as_string(hide_password=False)
    seconds = int((made.ground.clock.at - NOW).total_seconds())
    process = fork(certify_until, name, address, parts.settings.home, made.id, seconds)
    process.join(240)
    return process.exitcode


def _state(made: Certifying) -> dict[str, object]:
    tables = (CertificateTermsRow, CertificateRow, CertificateEndRow, CertificateAuditRow, CertifiedImageRow)
    counts = {
        table.__tablename__: len(made.ground.scalars(sa.select(next(iter(table.__table__.primary_key.columns)))))
        for table in (*tables, ExcludedImageRow, ReviewRow, LabelRow)
    }
    return {**counts, "delivered": sorted(made.labels())}


def _assert_whole(made: Certifying) -> None:
    """What stands is delivered once, what ended is taken back, and nothing of the terms is there twice."""
    found = made.all()
    assert len(made.ground.scalars(sa.select(CertificateTermsRow.id))) == 1
    assert len({one.look for one in found}) == len(found)
    given = sa.select(LabelRow.image_id).where(LabelRow.source == LabelSource.CERTIFICATE, LabelRow.value.is_not(None))
    assert max(Counter(made.ground.scalars(given)).values(), default=1) == 1
    standing = [one for one in found if one.stands]
    asked = sa.select(ReviewRow.image_id).where(ReviewRow.kind == ReviewKind.AUDIT)
    audits = Counter(made.ground.scalars(asked))
    assert max(audits.values(), default=1) == 1 and len(audits) in (0, 6)
    if not standing:
        assert not made.labels()
        return
    with reading(made.ground.parts.database) as session:
        accepted = {one.image_id for one in certificates.accepted_of(session, standing[0].id)}
    assert set(made.labels()) == accepted

"""What a certificate accepted goes back when it ends: the riskiest first, and into the next query by its doubt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa

from db.repositories.certificates import certificates
from db.repositories.versions import versions
from db.session import reading
from db.tables import LabelRow, ReviewRow
from labeling.types import LabelSource, ReviewKind
from service.work.certify.scored import score_pool
from service.work.promote.judge import promote_by_hand
from service.work.promote.predict import predict
from tests.service.certify.ground import POLICY, TERMS, Certifying
from tests.service.certify.test_audit_step import decide

HARD, AUDIT = ReviewKind.HARD, ReviewKind.AUDIT


def ended(made: Certifying) -> None:
    """The project file has no target any more."""
    made.configure(None)


def suspended(made: Certifying) -> None:
    """Two people say that the audited labels are wrong."""
    with reading(made.ground.parts.database) as session:
        asked = sa.select(ReviewRow).where(ReviewRow.kind == AUDIT).order_by(ReviewRow.id)
        reviews = list(session.scalars(asked))
    decide(made, reviews, right=False)


def replaced_and_rolled_back(made: Certifying) -> None:
    """Another version, and then again the one that the certificate was issued for."""
    parts, project = made.ground.parts, made.ground.project.id
    made.version()
    made.certify()
    promote_by_hand(parts, project, 1, "ann", "back again")
    predict(parts, project)


@pytest.mark.parametrize("end", [ended, suspended, replaced_and_rolled_back])
def test_labels_are_taken_back_the_riskiest_first_and_for_good(
    make: Callable[..., Certifying], end: Callable[[Certifying], None]
) -> None:
    made = make(replace(POLICY, certificate=replace(TERMS, audit=20))).until_certified()
    given = made.labels().keys()

    end(made)
    made.certify()
    made.certify()

    [found] = made.all()
    with reading(made.ground.parts.database) as session:
        ranks = {one.image_id: one.rank for one in certificates.accepted_of(session, found.id)}
        gone = sa.select(LabelRow.image_id).where(LabelRow.source == LabelSource.CERTIFICATE, LabelRow.value.is_(None))
        taken = list(session.scalars(gone.order_by(LabelRow.id)))
    assert not found.stands and made.labels() == {}
    assert taken == sorted(taken, key=lambda image: -ranks[image])
    assert set(taken) >= given - {one.image_id for one in _reviews(made, AUDIT)}


def test_the_next_query_asks_about_the_riskiest_of_what_was_taken_back(make: Callable[..., Certifying]) -> None:
    """By the queue itself: of the images that a suspended certificate had accepted those of the least sure score."""
    made = make(replace(POLICY, certificate=replace(TERMS, audit=20), strategy="least_confidence")).until_certified()
    suspended(made)
    made.certify()
    parts, project = made.ground.parts, made.ground.project
    with reading(parts.database) as session:
        champion = versions.champion(session, project.id)
        accepted = {one.image_id for one in certificates.accepted_of(session, made.all()[0].id)}
    assert champion is not None
    scored = score_pool(parts, project, champion)
    score = dict(zip(scored.pool.image_ids.tolist(), scored.scores.tolist(), strict=True))
    free = accepted - {one.image_id for one in _reviews(made, AUDIT)} - set(made.ground.reserved)

    again = [one for one in made.ask() if one.kind == HARD]
    asked = [one.image_id for one in sorted(again, key=lambda one: one.place) if one.image_id in free]

    assert len(asked) >= 5
    left = [score[image] for image in free - set(asked)]
    assert np.mean([score[image] for image in asked]) < np.quantile(left, 0.25)  # lower is riskier


def _reviews(made: Certifying, kind: ReviewKind) -> list[ReviewRow]:
    with reading(made.ground.parts.database) as session:
        return list(session.scalars(sa.select(ReviewRow).where(ReviewRow.kind == kind)))

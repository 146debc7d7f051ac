"""The audit in the loop: drawn by chance and asked blind, counted in its order, and the end of a certificate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from db.repositories.certificates import audits, certificates
from db.repositories.certificates.audits import Result
from db.session import reading, transaction
from db.tables import LabelRow, ReviewRow
from labeling.types import UNSURE, ReviewKind
from service.labels.certificates import read_certificates
from tests import factories
from tests.service.certify.ground import POLICY, TERMS, Certifying
from tests.service.labelled_pool import add_images


@pytest.fixture
def audited(make: Callable[..., Certifying]) -> Certifying:
    """With a certificate that stands, of which twenty images a day are audited."""
    return make(replace(POLICY, certificate=replace(TERMS, audit=20))).until_certified()


def _asked(made: Certifying) -> list[ReviewRow]:
    with reading(made.ground.parts.database) as session:
        of_kind = sa.select(ReviewRow).where(ReviewRow.kind == ReviewKind.AUDIT)
        return list(session.scalars(of_kind.order_by(ReviewRow.id)))


def decide(made: Certifying, reviews: list[ReviewRow], *, right: bool = True, people: int = 2) -> None:
    """So many people agree about each of these images."""
    classes = made.ground.project.config.classes
    with reading(made.ground.parts.database) as session:
        given = {one.image_id: one.value for one in audits.asked(session, made.ground.project.id, 1, _since(made))}
    with transaction(made.ground.parts.database) as session:
        for review in reviews:
            value = given[review.image_id]
            said = value if right else classes[(classes.index(value) + 1) % len(classes)]
            factories.seen(session, review.id)
            for name in ("ann", "bob", "eve")[:people]:
                who = factories.annotator(session, made.id, name)
                factories.annotation(session, review.id, said, annotator_id=who)
            made.resolve(session, [review.image_id])


def test_one_who_could_not_tell_agrees_with_nobody(audited: Certifying) -> None:
    [first, *_] = reviews = _asked(audited)
    decide(audited, reviews[:1], people=1)
    with transaction(audited.ground.parts.database) as session:
        who = factories.annotator(session, audited.id, "bob")
        factories.annotation(session, first.id, UNSURE, annotator_id=who)
        audited.resolve(session, [first.image_id])
    audited.certify()
    before = _result(audited)

    with transaction(audited.ground.parts.database) as session:
        audited.lead_decides(session, first.image_id, None)
    audited.certify()

    after = _result(audited)
    assert before is None
    assert after is not None and (after.images, after.wrong) == (1, 1)  # nobody can tell: an error of the machine


def test_a_second_person_who_says_the_same_later_completes_an_audited_image(audited: Certifying) -> None:
    reviews = _asked(audited)[:1]
    decide(audited, reviews, people=1)
    audited.certify()

    with transaction(audited.ground.parts.database) as session:
        who = factories.annotator(session, audited.id, "bob")
        value = session.scalars(sa.select(LabelRow.value).where(LabelRow.review_id == reviews[0].id)).one()
        factories.annotation(session, reviews[0].id, value, annotator_id=who)
        audited.resolve(session, [reviews[0].image_id])
    audited.certify()

    found = _result(audited)
    assert found is not None and (found.images, found.wrong) == (1, 0)


def _since(made: Certifying) -> datetime:
    return made.all()[0].at


def _result(made: Certifying) -> Result | None:
    with reading(made.ground.parts.database) as session:
        return audits.newest(session, made.all()[0].id)


def test_each_day_some_of_what_was_accepted_is_drawn_by_chance_and_asked_blind(audited: Certifying) -> None:
    first = _asked(audited)
    again = audited.certify()
    audited.ground.clock.at += timedelta(days=1)
    audited.certify()

    assert len(first) == 20 and all(review.blind for review in first)
    assert {review.image_id for review in first} <= set(audited.labels())
    assert sorted(review.image_id for review in first) != sorted(audited.labels())[:20]
    assert again["audits"] == 0
    images = [review.image_id for review in _asked(audited)]
    assert len(images) == len(set(images)) == 40


def test_an_answer_counts_when_two_people_agree_and_not_before_those_drawn_before_it(audited: Certifying) -> None:
    reviews = _asked(audited)
    decide(audited, reviews[1:5])
    decide(audited, reviews[:1], people=1)
    audited.certify()
    before = _result(audited)

    decide(audited, reviews[:1], right=False)
    audited.certify()

    after = _result(audited)
    assert before is None
    assert after is not None and (after.images, after.wrong, after.suspended) == (5, 1, False)
    with reading(audited.ground.parts.database) as session:
        shown = read_certificates(session, audited.ground.project).standing
    assert shown is not None and shown.audit == after and shown.auditing == 15


def test_a_certificate_that_the_audit_contradicts_is_suspended_and_its_labels_are_taken_back(
    audited: Certifying,
) -> None:
    decide(audited, _asked(audited), right=False)

    counts = audited.certify()

    [found] = audited.all()
    assert counts["suspended"] == 1
    assert found.ended == "suspended by its audit: 20 of 20 audited labels were wrong"
    assert audited.labels() == {}
    assert audited.certify()["suspended"] == 0


def test_what_an_audit_asked_about_stays_in_later_sets_and_is_not_delivered_again(
    make: Callable[..., Certifying],
) -> None:
    made = make(replace(POLICY, certificate=replace(TERMS, audit=20, first_size=20)), pool=300, reserved=120)
    made.certify()
    made.play(1)
    made.version()
    made.play(1)
    made.certify()
    reviews = _asked(made)
    decide(made, reviews)
    add_images(made.ground, 120, False)
    made.play(3)

    made.certify()

    _, second = made.all()
    with reading(made.ground.parts.database) as session:
        accepted = {one.image_id for one in certificates.accepted_of(session, second.id)}
    assert second.stands and reviews and not {review.image_id for review in reviews} & accepted
    assert second.rank > second.accepted + second.report["sample"]  # they are above the threshold all the same


def test_no_audit_is_asked_where_the_policy_wants_none(certified: Certifying) -> None:
    assert _asked(certified) == []

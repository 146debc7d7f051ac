"""People err: certifying answers of two people, and what given gold takes off the bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import numpy as np
import pytest
import sqlalchemy as sa

from db.repositories.certificates.adjudicated import adjudicated
from db.session import reading, transaction
from db.tables import ImageRow, OverlapRow, ReviewRow
from labeling.project import CertificateTerms
from labeling.types import ImageId, LabelSource, ReviewKind
from service.labels.certificates import HumanError, read_certificates
from service.work.certify.attempt import certify_set
from service.work.certify.people import Gold, levels, subtracted
from service.work.certify.scored import Scored
from service.work.certify.sets import TheSet
from service.work.quality.overlap import ask_another_person
from service.work.wiring import Parts
from tests import factories
from tests.service.certify.ground import POLICY, TERMS, Certifying
from tests.service.labelled_pool import add_images

MakeGround = Callable[..., Certifying]
RANDOM, HARD, GOLD = ReviewKind.RANDOM, ReviewKind.HARD, ReviewKind.GOLD
TWO = replace(POLICY, certificate=replace(TERMS, people=2))


def say(made: Certifying, reviews: list[ReviewRow], name: str, shift: int = 0) -> None:
    """Somebody answers these reviews, with the truth or another class, and labels follow."""
    classes = made.ground.project.config.classes
    with transaction(made.ground.parts.database) as session:
        who = factories.annotator(session, made.id, name)
        for review in reviews:
            factories.seen(session, review.id)
            said = classes[(made.ground.truth[review.image_id] + shift) % len(classes)]
            at = made.ground.clock()
            factories.annotation(session, review.id, said, annotator_id=who, at=at, recorded_at=at)
        made.resolve(session, [review.image_id for review in reviews])


def reviews_of(made: Certifying, *kinds: ReviewKind) -> list[ReviewRow]:
    with reading(made.ground.parts.database) as session:
        found = sa.select(ReviewRow).where(ReviewRow.kind.in_(kinds)).order_by(ReviewRow.id)
        return list(session.scalars(found))


def before_the_second_answers(make: MakeGround, people: int = 2) -> Certifying:
    """With a version, and one answer to each of the sampled images of the first look."""
    made = make(replace(POLICY, certificate=replace(TERMS, people=people)))
    made.certify()
    made.play(1)
    made.version()
    for _ in range(2):
        made.ask()
        say(made, [one for one in reviews_of(made, RANDOM, HARD) if one.id > 40], "ann")
    return made


def test_with_two_people_a_look_waits_until_they_agree_or_a_lead_decides(make: MakeGround) -> None:
    made = before_the_second_answers(make)
    made.certify()
    waiting = made.all()

    say(made, reviews_of(made, RANDOM), "ann")
    say(made, reviews_of(made, RANDOM), "bob")
    made.certify()

    [found] = made.all()
    assert waiting == [] and (found.stands, found.report["missing"]) == (True, 0)


def test_one_answer_is_enough_where_the_terms_want_one(make: MakeGround) -> None:
    made = before_the_second_answers(make, people=1)

    made.certify()

    assert made.all()[0].stands


def test_what_is_due_says_that_two_people_must_agree(make: MakeGround) -> None:
    made = before_the_second_answers(make)
    with reading(made.ground.parts.database) as session:
        first = read_certificates(session, made.ground.project).due
    say(made, [one for one in reviews_of(made, RANDOM) if one.id > 40][:10], "bob")

    with reading(made.ground.parts.database) as session:
        second = read_certificates(session, made.ground.project).due

    assert first is not None and second is not None
    assert first.answered == 0 < second.answered <= 10
    assert "two people who agree" in second.words


def test_all_certifying_answers_are_doubled_and_none_by_doubt(make: MakeGround) -> None:
    made = make(TWO)
    made.certify()
    made.ask()
    say(made, reviews_of(made, HARD)[:2], "bob")
    say(made, reviews_of(made, RANDOM), "ann")
    parts = _now(made)

    ask_another_person(parts, made.ground.project.id)

    with reading(made.ground.parts.database) as session:
        wanted = {row.review_id for row in session.scalars(sa.select(OverlapRow).where(OverlapRow.people == 2))}
    assert {one.id for one in reviews_of(made, RANDOM)} <= wanted


def test_answers_from_before_the_terms_are_not_doubled(make: MakeGround) -> None:
    made = make(TWO)
    made.ask()
    made.certify()  # now the terms are in force
    say(made, reviews_of(made, HARD)[:2], "bob")
    say(made, reviews_of(made, RANDOM), "ann")

    ask_another_person(_now(made), made.ground.project.id)

    with reading(made.ground.parts.database) as session:
        wanted = {row.review_id for row in session.scalars(sa.select(OverlapRow))}
    assert not {one.id for one in reviews_of(made, RANDOM)} & wanted


def test_two_who_differ_are_not_decided_before_a_third_or_a_lead(make: MakeGround) -> None:
    made = make(TWO)
    made.certify()
    made.ask()
    first, second, third, *_ = reviews = reviews_of(made, RANDOM)
    say(made, reviews, "ann")
    say(made, [first], "bob")
    say(made, [second], "bob", shift=1)
    say(made, [third], "bob", shift=1)
    say(made, [third], "eve")
    images = [ImageId(one.image_id) for one in reviews]

    with transaction(made.ground.parts.database) as session:
        by_people = adjudicated(session, images)
        made.lead_decides(session, second.image_id, "cat")
        with_lead = adjudicated(session, images)

    assert by_people == {first.image_id, third.image_id}
    assert with_lead == by_people | {second.image_id}


def with_gold(make: MakeGround, images: int, agree_on_errors: int = 0) -> Certifying:
    """At the first look, with so many given gold images that one person answered as they are, all but some."""
    made = make(replace(POLICY, certificate=replace(TERMS, gold=0.25)))
    made.certify()
    made.play(1)
    made.version()
    gold = add_images(made.ground, images, False)
    made.play(2)
    classes = made.ground.project.config.classes
    with transaction(made.ground.parts.database) as session:
        said = dict(session.execute(sa.select(ImageRow.id, ImageRow.group_id)).all())
        assert all(said[image] is not None for image in gold)
        who = factories.annotator(session, made.id, "ann")
        for at, image in enumerate(gold):
            name = classes[made.ground.truth[image]]
            known = classes[(made.ground.truth[image] + 1) % len(classes)] if at < agree_on_errors else name
            factories.label(session, made.id, image, known, LabelSource.GOLD)
            review = factories.review(session, made.id, image, GOLD, blind=True)
            factories.seen(session, review)
            factories.annotation(session, review, name, annotator_id=who)
    return made


def shown(made: Certifying) -> HumanError:
    with reading(made.ground.parts.database) as session:
        found = read_certificates(session, made.ground.project).standing
    assert found is not None and found.human_error is not None
    return found.human_error


def test_under_three_hundred_gold_images_the_term_is_said_and_not_subtracted(make: MakeGround) -> None:
    made = with_gold(make, 60)
    made.certify()

    found = shown(made)

    assert found.relative and 0 < found.gold <= 60 and found.agreed_wrong == 0
    assert found.term == pytest.approx(1 - (TERMS.delta / 3 * 0.25) ** (1 / found.gold), abs=0.02)
    assert found.gold_to_halve is not None and found.gold_to_halve > found.gold
    assert "would be" in found.words and f"{found.gold_to_halve} in all would halve" in found.words
    with reading(made.ground.parts.database) as session:
        sentence = read_certificates(session, made.ground.project).sentence
    assert "relative to adjudicated people" in sentence and found.words in sentence


def test_with_enough_gold_the_term_is_subtracted_and_both_share_the_level(make: MakeGround) -> None:
    made = with_gold(make, 420, agree_on_errors=3)
    made.certify()

    [one], found = made.all(), shown(made)

    assert not found.relative and found.gold >= 300
    assert 0 < found.agreed_wrong <= 3
    assert found.bound == pytest.approx(one.report["lower"] - found.term)
    assert one.delta == pytest.approx(TERMS.delta / 3)  # the level of the look, spent on both
    assert "against the truth at least" in found.words


def test_without_a_share_for_gold_the_page_says_what_gold_would_do(certified: Certifying) -> None:
    with reading(certified.ground.parts.database) as session:
        found = read_certificates(session, certified.ground.project).standing

    assert found is not None and found.human_error is None


def test_the_bound_against_the_truth_holds_in_replays() -> None:
    """Known truth, through the attempt's own arithmetic: people agree with a part of the machine's wrong labels."""
    rng, terms, delta = np.random.default_rng(5), CertificateTerms(precision=0.85, gold=0.3, first_size=150), 0.1
    issued = broken = 0
    for _ in range(150):
        size, gold = 900, 420
        wrong = rng.random(size + gold) < 0.08
        agree = wrong & (rng.random(size + gold) < 0.4)
        scores = rng.random(size + gold) - 0.2 * wrong
        by_people = ~wrong | agree  # what people say is right of the machine's labels
        known = Gold(scores[size:], agree[size:])
        of_scan, of_gold = levels(terms, delta, known)
        found = _set_of(size, rng.permutation(size)[:150], by_people[:size])
        outcome = certify_set(terms, _scored(scores[:size]), found, 150, of_scan)
        if not len(outcome.accepted):
            continue
        lowest = float(scores[outcome.accepted].min())
        people: dict[str, Any] = subtracted(known, lowest, len(outcome.accepted), of_gold, outcome.shown["lower"])
        issued += 1
        assert not people["relative"] or (scores[size:] >= lowest).sum() < 300
        if not people["relative"]:
            broken += np.mean(~wrong[outcome.accepted]) < people["bound"] - 1e-9
    assert issued >= 100
    assert broken <= 25  # of 150 at .10: more has a chance of .005


def _scored(scores: np.ndarray) -> Scored:
    return Scored(cast(Any, None), cast(Any, None), np.zeros(len(scores), np.int64), scores, cast(Any, None))


def _set_of(size: int, asked: np.ndarray, right: np.ndarray) -> TheSet:
    nothing = np.zeros(size, bool)
    return TheSet(
        groups=np.arange(size),
        rows=np.arange(size),
        audited=nothing,
        excluded=nothing,
        asked=asked,
        decided=np.ones(len(asked), bool),
        right=right[asked],
        reserve=nothing,
        answered=len(asked),
        outside={},
    )


class _Asked:
    """Takes what steps ask for, and does nothing."""

    def ask(self, *args: object, **named: object) -> None:
        return None


def _now(made: Certifying) -> Parts:
    """The parts a moment after the answers, with jobs that are only asked for."""
    made.ground.clock.at += timedelta(minutes=1)
    return replace(made.ground.parts, jobs=cast(Any, _Asked()))

"""Which version an attempt rests on, what it waits for, and when queries and verdicts wait for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from db.repositories.reviews import overlaps
from db.repositories.reviews.reviews import answered_people, is_open
from db.repositories.versions import versions
from db.session import reading, transaction
from db.tables import AnnotationRow, ReviewRow
from labeling.jobs import Trigger
from labeling.project import CertificateTerms, Shares, Stop
from labeling.promote import judgement
from labeling.promote.judgement import Sample
from labeling.types import Actor, ImageId, ReviewId, ReviewKind
from service.labels.resolution import resolve_labels
from service.work.certify.ahead import awaits_attempt, awaits_verdict, keeps_version, wants_version
from service.work.certify.forecast import forecast
from service.work.learn.learn import has_new_labels, learn
from service.work.promote.judge import judge, promote_by_hand
from service.work.select.replay import replay_query
from tests import factories
from tests.factories import NOW
from tests.service.certify.ground import POLICY, TERMS, Certifying

ANN, BOB, EVE = "ann", "bob", "eve"
ONE_SIZE = replace(POLICY, certificate=replace(TERMS, sizes=1))
ALL = tuple(ReviewKind)
MakeGround = Callable[..., Certifying]


def people_of(made: Certifying) -> dict[str, int]:
    with transaction(made.ground.parts.database) as session:
        return {name: factories.annotator(session, made.id, name) for name in (ANN, BOB, EVE)}


def answer_open(
    made: Certifying,
    people: dict[str, int],
    *names: str,
    wrong: int = 0,
    kinds: Sequence[ReviewKind] = ALL,
) -> list[ImageId]:
    """The people answer in turn what is open, with the truth, but for the first few of the stream; those."""
    classes, database = made.ground.project.config.classes, made.ground.parts.database
    with transaction(database) as session:
        of_kinds = ReviewRow.kind.in_(kinds)
        rows = session.scalars(sa.select(ReviewRow).where(is_open(), of_kinds).order_by(ReviewRow.id)).all()
        missed = {row.id for row in rows if row.kind == ReviewKind.RANDOM}
        missed = set(sorted(missed)[:wrong])
        for turn, row in enumerate(rows):
            at = made.ground.clock()
            said = classes[(made.ground.truth[row.image_id] + (row.id in missed)) % len(classes)]
            person = people[names[turn % len(names)]]
            factories.annotation(session, row.id, said, annotator_id=person, at=at, recorded_at=at)
        factories.seen(session, *[row.id for row in rows])
        images = [ImageId(row.image_id) for row in rows]
        resolve_labels(session, made.ground.project, images, made.ground.clock())
        return [ImageId(row.image_id) for row in rows if row.id in missed]


def until_a_version(made: Certifying, *names: str) -> dict[str, int]:
    """Two queries that these people answered, and a version between them; the people."""
    people = people_of(made)
    made.certify()
    made.ask()
    answer_open(made, people, *names)
    made.version()
    made.ask()
    answer_open(made, people, *names)
    return people


def until_reached(made: Certifying, *names: str, wrong: int = 0, kinds: Sequence[ReviewKind] = ALL) -> list[ImageId]:
    """Until the sample has its first size, by a version that is older than that; of the last query only these kinds."""
    people = until_a_version(made, *names)
    assert not wants_version(made.ground.parts, made.ground.project.id)
    made.ask()
    return answer_open(made, people, *names, wrong=wrong, kinds=kinds)


def test_a_version_is_fitted_and_judged_once_the_sample_has_its_size(make: MakeGround) -> None:
    made = make()
    until_reached(made, ANN)
    parts, of = made.ground.parts, made.ground.project.id

    before = wants_version(parts, of), has_new_labels(parts, of), awaits_verdict(parts, of)
    learn(parts, of, Trigger.ANSWERED)
    fitted = wants_version(parts, of), has_new_labels(parts, of), awaits_verdict(parts, of)
    judge(parts, of, Trigger.LEARNED)

    assert before == (True, True, False)
    assert fitted == (False, False, True)
    assert not awaits_verdict(parts, of) and made.certify()["tried"] == 1


def test_a_version_that_was_fitted_a_moment_before_is_judged_first(make: MakeGround) -> None:
    made = make()
    people = until_a_version(made, ANN)
    made.ask()
    parts, of = made.ground.parts, made.ground.project.id
    learn(parts, of, Trigger.ANSWERED)
    answer_open(made, people, ANN, kinds=[ReviewKind.RANDOM])

    before = awaits_verdict(parts, of)
    judge(parts, of, Trigger.LEARNED)

    assert (before, awaits_verdict(parts, of)) == (True, False)


def test_a_later_version_is_not_judged_before_the_attempt(make: MakeGround) -> None:
    made = make()
    until_reached(made, ANN, kinds=[ReviewKind.RANDOM])
    parts, of = made.ground.parts, made.ground.project.id
    learn(parts, of, Trigger.ANSWERED)
    first = keeps_version(parts, of)
    judge(parts, of, Trigger.LEARNED)
    answer_open(made, people_of(made), ANN)
    learn(parts, of, Trigger.ANSWERED)

    held = keeps_version(parts, of)
    made.certify()

    assert (first, held) == (False, True)


def test_what_one_of_several_people_holds_against_the_version_waits_for_another(make: MakeGround) -> None:
    made = make(ONE_SIZE)
    missed = until_reached(made, ANN, BOB, wrong=4)
    parts, of, people = made.ground.parts, made.ground.project.id, people_of(made)

    waiting = made.certify()["tried"]
    with transaction(parts.database) as session:
        reviews = session.scalars(sa.select(ReviewRow.id).where(ReviewRow.image_id.in_(missed))).all()
        overlaps.want(session, {ReviewId(one): 2 for one in reviews}, Actor("test", "second", parts.now()))
    halted = awaits_attempt(parts, of)
    answer_open(made, people, EVE)
    answer_open_third(made, people)

    assert (waiting, halted) == (0, True)
    assert made.certify()["tried"] == 1
    [found] = made.all()
    assert found.report["errors"] < 3 and found.report["missing"] == 0


def answer_open_third(made: Certifying, people: dict[str, int]) -> None:
    """Where two differ, a third person decides."""
    with transaction(made.ground.parts.database) as session:
        twice = session.scalars(
            sa.select(ReviewRow.id).where(ReviewRow.kind == ReviewKind.RANDOM, ~is_open(), has_several())
        ).all()
        overlaps.want(session, {ReviewId(one): 3 for one in twice}, Actor("test", "third", made.ground.clock()))
        open_now = session.execute(sa.select(ReviewRow.id, ReviewRow.image_id).where(is_open())).all()
    for name in (ANN, BOB):
        answer_those(made, people[name], {ReviewId(review): ImageId(image) for review, image in open_now})


def has_several() -> sa.ColumnElement[bool]:
    return answered_people() > 1


def answer_those(made: Certifying, person: int, those: dict[ReviewId, ImageId]) -> None:
    """This person answers those that are theirs to answer, with the truth."""
    classes = made.ground.project.config.classes
    with transaction(made.ground.parts.database) as session:
        for review, image in those.items():
            theirs = sa.select(AnnotationRow.id).where(
                AnnotationRow.review_id == review, AnnotationRow.annotator_id == person
            )
            if session.scalar(theirs) is None:
                at = made.ground.clock()
                said = classes[made.ground.truth[image]]
                factories.annotation(session, review, said, annotator_id=person, at=at, recorded_at=at)
        resolve_labels(session, made.ground.project, list(those.values()), made.ground.clock())


def test_one_person_alone_is_not_waited_for(make: MakeGround) -> None:
    made = make(ONE_SIZE)
    until_reached(made, ANN, wrong=4)

    assert made.certify()["tried"] == 1
    [found] = made.all()
    assert found.report["errors"] >= 2  # of the four one is a shadow pick, and one is left out by the accept rule


def test_queries_wait_for_an_attempt_and_go_on_after_it(make: MakeGround) -> None:
    made = make(ONE_SIZE)
    until_reached(made, ANN)
    parts, of = made.ground.parts, made.ground.project.id

    before = awaits_attempt(parts, of)
    made.certify()

    assert (before, awaits_attempt(parts, of)) == (True, False)


def test_no_version_takes_the_place_of_a_certified_one_where_no_size_can_follow(make: MakeGround) -> None:
    made = make(ONE_SIZE)
    until_reached(made, ANN)
    parts, of = made.ground.parts, made.ground.project.id
    made.certify()
    [one] = made.all()
    assert one.stands
    number = learn(parts, of, Trigger.ANSWERED)["version"]

    kept = keeps_version(parts, of)
    promote_by_hand(parts, of, number, "ann", "a test")
    made.withdraw()

    assert kept and not keeps_version(parts, of)
    [one] = made.all()
    assert not one.stands


def test_where_a_later_size_can_be_reached_versions_are_judged(make: MakeGround) -> None:
    made = make(replace(POLICY, certificate=replace(TERMS, first_size=20, sizes=2)))
    people = people_of(made)
    made.certify()
    made.ask()
    answer_open(made, people, ANN)
    made.version()
    made.ask()
    answer_open(made, people, ANN)

    made.certify()

    [one] = made.all()
    assert one.look == 1 and not keeps_version(made.ground.parts, made.ground.project.id)


def test_without_a_target_nothing_waits(make: MakeGround) -> None:
    made = make(replace(POLICY, certificate=None))
    made.play(1)
    made.version()
    made.play(1)
    parts, of = made.ground.parts, made.ground.project.id

    found = [rule(parts, of) for rule in (wants_version, awaits_verdict, awaits_attempt, keeps_version)]

    assert found == [False] * 4


def test_who_answered_more_than_a_day_ago_is_not_waited_for(make: MakeGround) -> None:
    made = make(ONE_SIZE)
    until_reached(made, ANN, BOB, wrong=4)

    waiting = made.certify()["tried"]
    made.ground.clock.at += timedelta(days=2)

    assert (waiting, made.certify()["tried"]) == (0, 1)


def test_a_reserve_that_is_about_to_lose_the_sample_is_asked_first_and_the_query_can_be_drawn_again(
    make: MakeGround,
) -> None:
    terms = replace(TERMS, first_size=20, sizes=1)
    made = make(replace(POLICY, certificate=terms, shares=Shares(0.1, 0.1)), pool=120, reserved=40)
    people = people_of(made)
    made.certify()
    made.ask()
    answer_open(made, people, ANN)
    made.version()

    asked = [sum(row.kind == ReviewKind.RANDOM for row in made.ask())]
    answer_open(made, people, ANN)
    asked.append(sum(row.kind == ReviewKind.RANDOM for row in made.ask()))

    assert max(asked) > 10  # the share alone brings 4 of 40
    assert replay_query(made.ground.parts, made.ground.project.id, 2).equal
    assert replay_query(made.ground.parts, made.ground.project.id, 3).equal


def test_where_the_reserve_is_used_up_it_is_tried_once_with_the_sample_that_there_is(make: MakeGround) -> None:
    made = make(replace(POLICY, certificate=replace(TERMS, first_size=200)))
    made.certify()
    made.play(1)
    made.version()
    made.play(2)
    before = made.certify()["tried"]
    made.play(2)

    found = [made.certify()["tried"] for _ in range(2)]

    [one] = made.all()
    assert (before, found) == (0, [1, 0])
    assert one.look == TERMS.sizes and 20 <= one.sampled < 80
    assert one.delta * one.versions == pytest.approx(TERMS.delta)
    assert one.accepted > 0 and made.wrong() <= 0.2


def test_disputed_images_that_wait_for_a_lead_hold_nothing_up_once_the_reserve_is_used_up(make: MakeGround) -> None:
    made = make(replace(POLICY, certificate=replace(TERMS, first_size=200)))
    made.certify()
    made.play(1)
    made.version()
    disputed = {review.id: review.image_id for review in made.ask() if review.kind == ReviewKind.RANDOM}
    people = people_of(made)
    with transaction(made.ground.parts.database) as session:
        overlaps.want(session, {ReviewId(one): 2 for one in disputed}, Actor("test", "second", NOW))
        for review in disputed:
            for name, said in ((ANN, "cat"), (BOB, "dog")):
                at = made.ground.clock()
                factories.annotation(session, review, said, annotator_id=people[name], at=at, recorded_at=at)
        factories.seen(session, *disputed)
        resolve_labels(session, made.ground.project, [ImageId(one) for one in disputed.values()], NOW)
    made.answer()
    made.play(3)

    tried = made.certify()["tried"]

    assert tried == 1 and made.all()[0].report["missing"] > 0


@pytest.mark.parametrize(("terms", "carried_by"), [(TERMS, Sample.TRAINING), (None, Sample.STREAM)])
def test_no_verdict_takes_its_share_of_delta_while_a_certificate_is_to_be_tried(
    make: MakeGround, monkeypatch: pytest.MonkeyPatch, terms: CertificateTerms | None, carried_by: Sample
) -> None:
    monkeypatch.setattr(judgement, "STREAM_CARRIES", 40)
    made = make(replace(POLICY, certificate=terms))
    made.certify()
    made.play(1)
    made.version()
    made.play(2)
    parts, of = made.ground.parts, made.ground.project.id
    learn(parts, of, Trigger.ANSWERED)
    judge(parts, of, Trigger.LEARNED)

    with reading(parts.database) as session:
        report = versions.promotions(session, of)[-1].report
    if terms is not None:
        made.certify()
    assert report["carried_by"] == carried_by and len(report["judged_on"]) >= 40
    assert [one.versions for one in made.all()] == [1] * (terms is not None)


UNREACHABLE = replace(POLICY, certificate=replace(TERMS, precision=0.999, sizes=1))


def test_what_would_accept_nothing_by_training_labels_waits_as_long_as_the_reserve_can_spare_the_sample(
    make: MakeGround,
) -> None:
    made = make(replace(UNREACHABLE, query_size=60), pool=320, reserved=160)
    made.certify()
    for _ in range(2):
        made.play(1)
        made.version()
    parts, of = made.ground.parts, made.ground.project.id

    waits = [rule(parts, of) for rule in (wants_version, awaits_verdict, awaits_attempt, keeps_version)]
    tried, said = made.certify()["tried"], forecast(parts, of).words
    queries = 0
    while not made.certify()["tried"]:
        made.play(1)
        queries += 1

    assert (waits, tried) == ([False] * 4, 0) and "tried with one that knows more" in said
    assert queries and [one.accepted for one in made.all()] == [0]


def test_nothing_waits_where_a_rule_may_end_the_questions(make: MakeGround) -> None:
    made = make(replace(UNREACHABLE, query_size=60, stop=Stop(answers=10_000)), pool=320, reserved=160)
    made.certify()
    for _ in range(2):
        made.play(1)
        made.version()

    assert made.certify()["tried"] == 1

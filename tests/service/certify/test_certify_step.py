"""A certificate from the first answer to its end, through the worker's own steps, on a real database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from db.repositories.certificates import certificates, sets
from db.repositories.deletions import images as deleted_images
from db.repositories.images import groups
from db.repositories.images.groups import Move
from db.repositories.reviews.reviews import is_open
from db.repositories.versions import versions
from db.session import reading, transaction
from db.tables import (
    CertificateRow,
    CertificateTermsRow,
    CertifiedImageRow,
    GroupRow,
    ImageRow,
    LabelRow,
    PromotionRow,
    ReviewRow,
    ShadowPickRow,
)
from labeling.certify.plan import sizes_left
from labeling.project import CertificateTerms
from labeling.promote.judgement import Sample
from labeling.types import NONE_OF_THESE, ImageId, LabelSource, ProjectId, ReviewKind, Verdict
from service.work.select.replay import replay_query
from tests import factories
from tests.service.certify.ground import POLICY, TERMS, Certifying
from tests.service.labelled_pool import add_images, answer

RANDOM, HARD = ReviewKind.RANDOM, ReviewKind.HARD
MakeGround = Callable[..., Certifying]


def test_without_a_target_nothing_happens(make: MakeGround) -> None:
    made = make(replace(POLICY, certificate=None))
    made.play(1)
    made.version()
    made.play(2)

    counts = made.certify()

    assert not any(counts.values())
    assert made.ground.scalars(sa.select(CertificateTermsRow.id)) == []
    assert made.labels() == {}


def test_a_planned_size_that_could_show_nothing_is_passed_over_and_the_next_is_tried(make: MakeGround) -> None:
    terms = replace(TERMS, precision=0.9, first_size=20, sizes=3)
    made = make(replace(POLICY, certificate=terms))
    made.certify()
    made.play(1)
    made.version()

    made.play(1)
    at_twenty = made.certify()["tried"]
    made.play(1)
    made.certify()

    [found] = made.all()
    assert at_twenty == 0 and sizes_left(terms, 0, found.size)[0].number == 2
    assert (found.look, found.sampled, found.delta) == (2, 40, pytest.approx(2 / 6 * terms.delta))


def test_at_the_planned_size_what_can_be_promised_gets_labels_that_say_whose_they_are(certified: Certifying) -> None:
    [found] = certified.all()
    given = certified.labels()

    assert (found.look, found.sampled, found.versions, found.stands) == (1, 40, 1, True)
    assert len(given) == found.accepted > 100
    assert certified.wrong() <= 0.2
    with reading(certified.ground.parts.database) as session:
        row = session.scalars(sa.select(LabelRow).where(LabelRow.source == "certificate").limit(1)).one()
        asked = set(session.scalars(sa.select(ReviewRow.image_id)))
    assert (row.evidence["certificate"], row.evidence["version"], row.review_id) == (found.id, 1, None)
    assert not asked & given.keys()


def test_a_finished_data_set_says_how_many_are_left_to_people(make: MakeGround) -> None:
    made = make(replace(POLICY, certificate=CertificateTerms(finished=0.15, first_size=40, sizes=2)))
    made.certify()
    made.play(1)
    made.version()
    made.play(2)

    made.certify()

    [found] = made.all()
    assert found.stands and found.report["found_at_most"] >= found.wrong and "lower" not in found.report
    assert found.report["for_people"] == found.size - found.sampled - found.accepted
    assert "once people have labelled the rest" in found.terms.words


def test_a_frame_is_a_score_that_training_labels_alone_have_set(make: MakeGround) -> None:
    made = make(replace(POLICY, certificate=replace(TERMS, first_size=20, frame=0.6)))
    made.certify()
    made.play(2)
    made.version()
    made.play(2)

    made.certify()

    [found] = made.all()
    assert found.report["frame_score"] is not None
    assert found.report["outside"]["under the frame"] >= 0
    with reading(made.ground.parts.database) as session:
        accepted = certificates.accepted_of(session, found.id)
    assert all(one.score >= found.report["frame_score"] for one in accepted)


def test_verdicts_that_the_stream_carried_are_paid_for(make: MakeGround) -> None:
    made = make()
    made.certify()
    made.play(1)
    number = made.version()
    with transaction(made.ground.parts.database) as session:
        version = versions.by_number(session, made.ground.project.id, number)
        at = made.ground.clock()
        carried = {"carried_by": Sample.STREAM.value}, {"carried_by": Sample.TRAINING.value}
        for report in (carried[0], carried[0], carried[1]):
            verdict = factories.promotion(session, made.id, version.id, Verdict.REFUSED, report=report)
            session.get_one(PromotionRow, verdict).created_at = at
    made.play(2)

    made.certify()

    [found] = made.all()
    assert found.versions == 3
    assert found.delta == pytest.approx(TERMS.delta / 3 / 3)


def test_a_version_put_in_use_by_hand_after_an_attempt_adds_the_versions_that_were_tried(certified: Certifying) -> None:
    certified.version()
    with reading(certified.ground.parts.database) as session:
        since = certificates.terms_in_force(session, certified.ground.project.id)
        assert since is not None
        assert sets.choices_since(session, certified.ground.project.id, since.at, Sample.STREAM) == 1


def test_answers_that_name_no_class_count_as_wrong(make: MakeGround) -> None:
    made = make()
    made.certify()
    made.play(1)
    made.version()
    made.play(1)
    made.ask()
    with transaction(made.ground.parts.database) as session:
        for review in session.scalars(sa.select(ReviewRow).where(is_open(), ReviewRow.kind == RANDOM)).all():
            answer(session, review, NONE_OF_THESE)

    made.certify()

    [found] = made.all()
    assert found.report["errors"] >= 10


def test_a_second_look_stands_in_place_of_the_first_and_labels_go_over_to_it(make: MakeGround) -> None:
    made = make(replace(POLICY, certificate=replace(TERMS, first_size=20)), pool=300, reserved=120)
    made.certify()
    made.play(1)
    made.version()
    made.play(1)
    made.certify()
    add_images(made.ground, 120, False)  # else only accepted images are left, and the stream ends
    made.play(3)

    made.certify()

    first, second = made.all()
    assert first.ended == f"replaced by certificate {second.id}" and second.stands and second.look == 2
    with reading(made.ground.parts.database) as session:
        accepted = {one.image_id for one in certificates.accepted_of(session, second.id)}
    assert set(made.labels()) == accepted


def test_a_query_under_a_target_is_drawn_again_to_the_same_images(certified: Certifying) -> None:
    add_images(certified.ground, 30, False)
    certified.ask()

    again = replay_query(certified.ground.parts, certified.ground.project.id, 4)

    assert again.equal and again.asked > 0 and not again.others


def test_each_planned_size_is_tried_once(certified: Certifying) -> None:
    before = len(certified.ground.scalars(sa.select(LabelRow.id)))

    counts = [certified.certify() for _ in range(2)]

    assert counts == [dict.fromkeys(counts[0], 0)] * 2
    assert len(certified.ground.scalars(sa.select(CertificateRow.id))) == 1
    assert len(certified.ground.scalars(sa.select(LabelRow.id))) == before


def test_a_refusal_is_a_row_with_its_reason_and_delivers_nothing(make: MakeGround) -> None:
    made = make()
    made.certify()
    made.play(1)
    made.version()
    made.ask()
    made.answer(HARD)
    made.answer(RANDOM, wrong=frozenset(made.ground.reserved))
    made.ask()
    made.answer(wrong=frozenset(made.ground.reserved))

    made.certify()

    [found] = made.all()
    assert (found.accepted, found.stands) == (0, False)
    assert "sampled images of the set the version had" in found.report["why"]
    assert made.labels() == {}


def test_answers_from_before_the_terms_certify_nothing(make: MakeGround) -> None:
    made = make()
    made.play(1)
    made.version()
    made.play(2)

    made.certify()

    assert made.all() == []
    [row] = made.ground.scalars(sa.select(CertificateTermsRow.newest_review))
    assert row == max(made.ground.scalars(sa.select(ReviewRow.id)))


def test_other_terms_end_a_certificate_and_begin_anew(certified: Certifying) -> None:
    given = certified.labels().keys()
    certified.configure(CertificateTerms(precision=0.7, first_size=40, sizes=2))

    counts = certified.certify()

    [found] = certified.all()
    assert counts["ended"] == 1 and counts["taken_back"] == len(given)
    assert found.ended == "its terms were changed in the project file"
    assert certified.labels() == {}
    with reading(certified.ground.parts.database) as session:
        newest = sa.select(LabelRow.image_id).where(LabelRow.source == "certificate", LabelRow.value.is_(None))
        taken = list(session.scalars(newest.order_by(LabelRow.id)))
        ranks = {one.image_id: one.rank for one in certificates.accepted_of(session, found.id)}
    assert set(taken) == given
    assert [ranks[image] for image in taken] == sorted(ranks.values(), reverse=True)  # the riskiest first


def test_terms_that_are_taken_out_of_the_file_end_it_too(certified: Certifying) -> None:
    certified.configure(None)

    certified.certify()

    assert certified.labels() == {} and not certified.all()[0].stands


def test_it_ends_with_its_version_and_its_images_can_be_asked_again(certified: Certifying) -> None:
    given = certified.labels().keys()
    certified.version()

    counts = certified.withdraw()

    assert counts["taken_back"] == len(given)
    assert certified.all()[0].ended == "version 1 is not in use any more"
    assert {review.image_id for review in certified.ask() if review.kind == HARD} & given


def test_people_correct_what_a_certificate_labelled_and_it_stays_so(certified: Certifying) -> None:
    image = next(iter(certified.labels()))
    with transaction(certified.ground.parts.database) as session:
        factories.label(session, certified.id, image, "cat", review_id=factories.review(session, certified.id, image))

    certified.certify()
    certified.configure(None)
    certified.certify()

    assert certified.labels(LabelSource.PEOPLE)[image].value == "cat"


def test_an_image_that_is_labelled_between_choice_and_delivery_keeps_that(make: MakeGround) -> None:
    made = make()
    made.certify()
    made.play(1)
    made.version()
    made.play(2)
    labelled: list[int] = []

    def meanwhile(name: str) -> None:
        if name == "certify.after_write" and not labelled:
            with transaction(made.ground.parts.database) as session:
                labelled.append(session.scalars(sa.select(CertifiedImageRow.image_id).limit(1)).one())
                factories.label(session, made.id, labelled[0], "cat", LabelSource.PEOPLE)

    Certifying(replace(made.ground, parts=replace(made.ground.parts, failpoint=meanwhile))).certify()  # type: ignore[arg-type]

    [found] = made.all()
    assert made.labels(LabelSource.PEOPLE)[labelled[0]].value == "cat"
    assert len(made.labels()) == found.accepted - 1


def test_a_killed_delivery_goes_on_where_it_was(make: MakeGround) -> None:
    made = make()
    made.certify()
    made.play(1)
    made.version()
    made.play(2)

    def die(name: str) -> None:
        if name == "certify.after_write":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Certifying(replace(made.ground, parts=replace(made.ground.parts, failpoint=die))).certify()  # type: ignore[arg-type]
    assert made.labels() == {}

    made.certify()

    assert len(made.labels()) == made.all()[0].accepted


def test_an_image_that_is_deleted_afterwards_takes_its_label_and_its_place_with_it(certified: Certifying) -> None:
    image = next(iter(certified.labels()))
    before = len(certified.labels())

    with transaction(certified.ground.parts.database) as session:
        gone = deleted_images.gone_of(session, certified.ground.project.id, [image])
        deleted_images.remove_images(session, certified.ground.project.id, [image], gone)
    certified.certify()

    [found] = certified.all()
    assert len(certified.labels()) == before - 1
    with reading(certified.ground.parts.database) as session:
        assert certificates.count_delivered(session, found.id) == certificates.count_accepted(session, found.id)
        assert session.get(ImageRow, image) is None


def test_missing_answers_count_as_wrong_and_do_not_hold_it_up_for_ever(make: MakeGround) -> None:
    made = make(reserved=140)
    made.certify()
    made.play(1)
    made.version()
    made.ask()
    with transaction(made.ground.parts.database) as session:
        first = sa.select(ReviewRow).where(ReviewRow.kind == RANDOM).order_by(ReviewRow.id.desc())
        unanswered = session.scalars(first.limit(1)).one().image_id
    keep = frozenset([unanswered])
    _answer_but(made, keep)
    made.certify()
    assert made.all() == []
    for _ in range(2):
        made.ask()
        _answer_but(made, keep)

    made.certify()

    [found] = made.all()
    assert found.report["missing"] == 1
    assert found.report["errors"] >= 1


def test_newcomers_belong_to_no_set_before_the_stream_has_caught_up(make: MakeGround) -> None:
    made = make()
    made.certify()
    made.play(1)
    made.version()
    made.play(2)
    late = add_images(made.ground, 30, True)
    with transaction(made.ground.parts.database) as session:
        of = sa.select(ImageRow.group_id).where(ImageRow.id.in_(late))
        for at, group in enumerate(session.scalars(of).all()):
            session.get_one(GroupRow, group).position = at / 100_000  # under the cursor

    made.certify()

    [found] = made.all()
    assert found.report["outside"]["arrived later"] >= 30
    assert not set(late) & made.labels().keys()


def test_an_image_that_came_out_of_its_group_is_in_no_set_and_counted_with_its_reason(make: MakeGround) -> None:
    made = make()
    made.certify()
    made.play(1)
    made.version()
    made.play(2)
    image = made.ground.pool[-1]
    with transaction(made.ground.parts.database) as session:
        session.execute(sa.delete(ShadowPickRow))
        group = session.get_one(ImageRow, image).group_id or 0
        divided = [Move(ImageId(image), group, "of its own", 0.00001)]  # in the stream before the last that was asked
        groups.move(session, ProjectId(made.id), divided, "its members have different labels", made.ground.clock())

    made.certify()

    [found] = made.all()
    assert found.report["outside"]["came out of another group later"] == 1
    assert found.report["outside"]["arrived later"] == 0 and image not in made.labels()


def test_when_only_accepted_images_are_left_the_rest_of_the_reserve_is_asked_and_no_accepted_one(
    make: MakeGround,
) -> None:
    made = make(pool=160, reserved=160)
    made.certify()
    made.play(1)
    made.version()
    made.play(3)
    made.certify()
    assert made.labels()

    for _ in range(10):
        made.ask()
        made.answer()

    with reading(made.ground.parts.database) as session:
        asked = set(session.scalars(sa.select(ReviewRow.image_id)))
        everyone = set(session.scalars(sa.select(ImageRow.id)))
    assert set(made.labels()) and everyone == asked | set(made.labels())


def test_once_every_planned_attempt_was_made_the_stream_waits_for_newcomers(make: MakeGround) -> None:
    made = make(replace(POLICY, certificate=replace(TERMS, sizes=1)), pool=300).until_certified()
    assert made.labels()

    proven = made.ask()
    made.answer()
    add_images(made.ground, 40, True)
    add_images(made.ground, 40, False)
    again = made.ask()

    assert {review.kind for review in proven} == {ReviewKind.HARD}
    assert {review.kind for review in again} == {ReviewKind.HARD, ReviewKind.RANDOM}


def test_while_another_size_is_planned_the_stream_goes_on(make: MakeGround) -> None:
    made = make(pool=300).until_certified()
    assert made.labels()

    assert ReviewKind.RANDOM in {review.kind for review in made.ask()}


def test_certified_groups_do_not_bias_later_samples(certified: Certifying) -> None:
    """A query reads through what is accepted as through what is reserved: both become shadow picks alike."""
    add_images(certified.ground, 40, False)
    given = {int(image) for image in certified.labels()} - set(certified.ground.reserved)
    before = set(certified.ground.scalars(sa.select(ShadowPickRow.group_id)))
    assert not {review.image_id for review in certified.ask()} & given

    groups = sa.select(ImageRow.group_id).where(ImageRow.id.in_(given))
    shadows = set(certified.ground.scalars(sa.select(ShadowPickRow.group_id))) - before
    assert shadows & set(certified.ground.scalars(groups))


def _answer_but(made: Certifying, images: frozenset[int]) -> None:
    classes = made.ground.project.config.classes
    with transaction(made.ground.parts.database) as session:
        for review in session.scalars(sa.select(ReviewRow).where(is_open())).all():
            if review.image_id not in images:
                answer(session, review, classes[made.ground.truth[review.image_id]])

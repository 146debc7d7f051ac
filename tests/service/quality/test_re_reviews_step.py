"""Blind re-reviews: what is asked, what an answer changes and what it does not, and the share of wrong labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from db.repositories.labels import decisions, labels
from db.repositories.queries import examples
from db.repositories.reviews import re_reviews, reviews
from db.session import reading, transaction
from db.tables import OverlapRow, QueryRow, ReReviewPlanRow, ReReviewRow, ReviewRow
from db.views import dashboard
from labeling.errors import Conflict, Invalid
from labeling.project import Policy, Project, Shares
from labeling.review.kinds import Use, kinds_for
from labeling.types import Actor, ImageId, LabelSource, ReviewId, ReviewKind
from service.labels import disputes
from service.labels.re_reviews import ask_for_more
from service.labels.reannotation import ask_again
from service.labels.resolution import resolve_labels
from service.work.quality import SLOW
from service.work.quality.agreement import refresh_agreement
from service.work.quality.random_arm import refresh_random_arm
from service.work.quality.re_reviews import ask_another_re_reviewer, ask_more_re_reviews, ask_re_reviews
from service.work.quality.wrong_labels import refresh_wrong_labels
from tests import factories
from tests.answering import asked_about, people
from tests.conftest import NOW
from tests.reviewing import rows_of
from tests.service.labelled_pool import Ground
from tests.service.team_ground import answers_of, team_ground

LEAD = Actor("lead", "to know", NOW)
Make = Callable[..., Project]


def labelled(
    database: sa.Engine, home: Path, project: Project, *, pool: int = 90, reserved: int = 30, wrong: int = 0
) -> Ground:
    """Ann labelled everything, the reserve blind for the random stream; every so many-th label is wrong."""
    ground = team_ground(database, home, project, pool=pool, reserved=reserved)
    with transaction(database) as session:
        ann, _ = people(session, project, "ann", "bob").values()
        for at, image in enumerate((*ground.pool, *ground.reserved)):
            kind = ReviewKind.HARD if at < pool else ReviewKind.RANDOM
            said = class_of(ground, image, wrong=bool(wrong) and at % wrong == 0)
            asked_about(session, project, image, {ann: said}, kind=kind, blind=kind is ReviewKind.RANDOM, settled=False)
        resolve_labels(session, project, [ImageId(image) for image in ground.truth], NOW)
    return ground


def class_of(ground: Ground, image: int, *, wrong: bool = False) -> str:
    classes = ground.project.config.classes
    return classes[(ground.truth[image] + wrong) % len(classes)]


def request(ground: Ground, more: int = 30) -> Any:
    with transaction(ground.parts.database) as session:
        return ask_for_more(session, ground.parts.jobs, ground.project, more, LEAD)


def asked(ground: Ground) -> list[tuple[ReviewRow, ReReviewRow]]:
    """The re-reviews so far with their reviews, in the order in which they were asked."""
    reviews_of = {row.id: row for row in rows_of(ground.parts.database, ReviewRow)}
    return [(reviews_of[row.review_id], row) for row in rows_of(ground.parts.database, ReReviewRow)]


def person(ground: Ground, name: str) -> int:
    with transaction(ground.parts.database) as session:
        return factories.annotator(session, ground.project.id, name)


def figure(ground: Ground) -> dict[str, Any]:
    refresh_wrong_labels(ground.parts, ground.project.id)
    with reading(ground.parts.database) as session:
        return dashboard.figures(session, ground.project.id)["share_of_wrong_labels"].data


def values(ground: Ground) -> dict[int, tuple[str | None, ReviewKind | None]]:
    with reading(ground.parts.database) as session:
        stand = labels.current(session, ground.project.id)
        return {int(one.image_id): (one.value, one.kind) for one in stand}


def wants(ground: Ground) -> dict[int, int]:
    return {row.review_id: row.people for row in rows_of(ground.parts.database, OverlapRow)}


def one_re_review(ground: Ground) -> tuple[ReviewId, int]:
    """One label that is re-reviewed, and the image."""
    request(ground, 1)
    ask_re_reviews(ground.parts, ground.project.id)
    review, _ = asked(ground)[0]
    return ReviewId(review.id), review.image_id


# what is asked


def test_a_request_is_followed_once_by_blind_reviews_of_which_an_eighth_are_suspicious(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    ground = labelled(database, tmp_path, make_project(database), wrong=12)
    before = request(ground, 80), request(ground, 80)

    counts = [ask_re_reviews(ground.parts, ground.project.id) for _ in range(2)]

    assert [one.new for one in before] == [80, 0]
    assert counts == [{"re_reviews": 80}, {"re_reviews": 0}]
    found = asked(ground)
    assert all(review.blind and review.kind == ReviewKind.RELABEL for review, _ in found)
    assert sum(row.suspicious for _, row in found) == 10
    suspicious = [review.image_id for review, row in found if row.suspicious]
    assert sum(values(ground)[image][0] != class_of(ground, image) for image in suspicious) >= 6
    assert {review.image_id for review, _ in found} & set(ground.reserved)
    assert [job.job for job in ground.parts.jobs.list(project_id=ground.project.id, limit=1)] == ["review"]
    assert [row.strategy for row in rows_of(database, QueryRow)][-1] == "re-review"


def test_more_are_asked_of_the_same_plan_until_a_tenth_of_the_labels_is_new(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    ground = labelled(database, tmp_path, make_project(database))
    for _ in range(2):
        request(ground, 12)
        ask_re_reviews(ground.parts, ground.project.id)
    same = rows_of(database, ReReviewPlanRow)
    with transaction(database) as session:
        for image in ground.pool[:20]:
            factories.label(session, ground.project.id, image, "cat", LabelSource.IMPORT)
    request(ground, 12)
    ask_re_reviews(ground.parts, ground.project.id)

    plans = rows_of(database, ReReviewPlanRow)
    assert (len(same), len(plans)) == (1, 2)
    assert len({row.label_id for _, row in asked(ground)}) == 36
    assert plans[0].seed == plans[1].seed
    again = {row.label_id for _, row in asked(ground)[:24]}
    assert again <= set(plans[1].label_ids)  # what was asked before counts in the new plan as it was


def test_a_standing_share_is_asked_of_a_team_once_there_are_a_hundred_labels(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    policy = Policy(query_size=50, shares=Shares(re_review=0.05))
    few = labelled(database, tmp_path / "few", make_project(database, name="few", policy=policy), pool=60, reserved=30)
    many = labelled(database, tmp_path / "many", make_project(database, name="many", policy=policy))
    alone = [ask_re_reviews(ground.parts, ground.project.id) for ground in (few, many)]
    for ground in (few, many):
        with transaction(database) as session:
            asked_about(session, ground.project, ground.pool[0], {person_of(session, ground, "bob"): "cat"})

    counts = [ask_re_reviews(ground.parts, ground.project.id) for ground in (few, many, many)]

    assert alone == [{"re_reviews": 0}] * 2
    assert counts == [
        {"re_reviews": 0},
        {"re_reviews": 3},
        {"re_reviews": 0},
    ]  # 5 % of 50 at a time, though six are due


def test_the_first_plan_waits_for_no_random_arm(database: sa.Engine, make_project: Make, tmp_path: Path) -> None:
    ground = labelled(database, tmp_path, make_project(database, policy=Policy(query_size=50)), reserved=60)
    with transaction(database) as session:
        asked_about(session, ground.project, ground.pool[0], {person_of(session, ground, "bob"): "cat"})

    for step in takewhile(lambda step: step is not refresh_random_arm, SLOW):
        step(ground.parts, ground.project.id)

    assert len(rows_of(database, ReReviewPlanRow)) == 1 and asked(ground)


def test_after_each_answer_more_are_asked_by_the_plan_that_there_is_and_none_is_made(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    policy = Policy(query_size=50, shares=Shares(re_review=0.05))
    ground = labelled(database, tmp_path, make_project(database, policy=policy))
    with transaction(database) as session:
        asked_about(session, ground.project, ground.pool[0], {person_of(session, ground, "bob"): "cat"})
    unplanned = ask_more_re_reviews(ground.parts, ground.project.id)
    ask_re_reviews(ground.parts, ground.project.id)
    waiting = ask_more_re_reviews(ground.parts, ground.project.id)
    with transaction(database) as session:
        for review, _ in asked(ground):
            factories.review_end(session, review.id, "vanished")

    counts = [ask_more_re_reviews(ground.parts, ground.project.id) for _ in range(2)]
    request(ground)
    by_hand = ask_more_re_reviews(ground.parts, ground.project.id)

    nothing = {"more_re_reviews": 0}
    assert (unplanned, waiting, by_hand) == (nothing, nothing, nothing)  # what a lead asks is planned of today's labels
    assert counts == [{"more_re_reviews": 3}, nothing]
    assert len(rows_of(database, ReReviewPlanRow)) == 1 and len(asked(ground)) == 6


def person_of(session: Any, ground: Ground, name: str) -> int:
    return factories.annotator(session, ground.project.id, name)


def test_a_share_of_nothing_asks_for_nothing(database: sa.Engine, make_project: Make, tmp_path: Path) -> None:
    ground = labelled(database, tmp_path, make_project(database, policy=Policy(shares=Shares(re_review=0.0))))
    with transaction(database) as session:
        asked_about(session, ground.project, ground.pool[0], {person_of(session, ground, "bob"): "cat"})

    assert ask_re_reviews(ground.parts, ground.project.id) == {"re_reviews": 0}


def test_what_cannot_be_asked_is_refused_with_the_reason(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    few = labelled(database, tmp_path / "few", make_project(database, name="few"), pool=20, reserved=0)
    ground = labelled(database, tmp_path, make_project(database), pool=40, reserved=0)

    with pytest.raises(Conflict, match="needs 30 labels, and there are 20"):
        request(few)
    for more in (0, -1, 1_001):
        with pytest.raises(Invalid, match="1 to 1000"):
            request(ground, more)
    assert request(ground, 100).new == 40
    ask_re_reviews(ground.parts, ground.project.id)
    with pytest.raises(Conflict, match="All 40 labels are re-reviewed"):
        request(ground)


# what an answer changes, and what it does not


def test_one_blind_answer_that_differs_changes_no_label_and_a_third_that_upholds_it_neither(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    ground = labelled(database, tmp_path, make_project(database))
    review, image = one_re_review(ground)
    before = values(ground)
    bob, eve = person(ground, "bob"), person(ground, "eve")

    answers_of(ground, bob, {review: class_of(ground, image, wrong=True)})
    one = values(ground), figure(ground)
    answers_of(ground, eve, {review: class_of(ground, image)})

    assert one[0] == before and values(ground) == before
    assert (one[1]["asked"], one[1]["waiting"]) == (1, 0)


@pytest.mark.parametrize("reserved", [False, True])
def test_two_blind_answers_correct_a_label_which_keeps_its_kind(
    database: sa.Engine, make_project: Make, tmp_path: Path, reserved: bool
) -> None:
    size = {"pool": 0, "reserved": 40} if reserved else {"pool": 40, "reserved": 0}
    ground = labelled(database, tmp_path, make_project(database), wrong=1, **size)
    review, image = one_re_review(ground)
    kind = ReviewKind.RANDOM if reserved else ReviewKind.HARD
    assert values(ground)[image] == (class_of(ground, image, wrong=True), kind)

    for name in ("bob", "eve"):
        answers_of(ground, person(ground, name), {review: class_of(ground, image)})

    assert values(ground)[image] == (class_of(ground, image), kind)
    with reading(database) as session:
        taught = examples.read_examples(session, ground.project.id, kinds_for(Use.TRAIN), imported=True)
    assert (image in {one.image_id for one in taught}) is not reserved


def test_people_who_all_differ_leave_the_label_to_a_lead(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    ground = labelled(database, tmp_path, make_project(database), pool=40, reserved=0)
    review, image = one_re_review(ground)
    classes = [name for name in ground.project.config.classes if name != values(ground)[image][0]]

    for name, value in zip(("bob", "eve"), classes, strict=True):
        answers_of(ground, person(ground, name), {review: value})

    assert image not in values(ground)
    with reading(database) as session:
        listed = disputes.listed(session, ground.project)
    assert [(one.dispute.image_id, one.why) for one in listed] == [(image, disputes.Why.CONFLICT)]
    assert len(listed[0].votes) == 3


def test_an_imported_label_is_replaced_by_what_two_people_say_blind(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    ground = team_ground(database, tmp_path, make_project(database), pool=40, reserved=0)
    ground.label(ground.pool, None, "cat")
    review, image = one_re_review(ground)

    answers_of(ground, person(ground, "ann"), {review: "dog"})
    one = values(ground)[image]
    answers_of(ground, person(ground, "bob"), {review: "dog"})

    assert (one, values(ground)[image][0]) == (("cat", None), "dog")


def test_a_lead_decides_what_one_answer_contradicts_and_sees_it_in_the_disputes(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    ground = labelled(database, tmp_path, make_project(database), pool=0, reserved=40)
    review, image = one_re_review(ground)
    answers_of(ground, person(ground, "bob"), {review: class_of(ground, image, wrong=True)})

    with reading(database) as session:
        (dispute,) = disputes.listed(session, ground.project)
    with transaction(database) as session:
        decisions.add(session, ground.project.id, {ImageId(image): class_of(ground, image)}, "adjudication", later())
        resolve_labels(session, ground.project, [ImageId(image)], NOW)
        after = disputes.listed(session, ground.project)

    assert (dispute.why, dispute.dispute.image_id, dispute.dispute.label) == (
        disputes.Why.RE_REVIEWED,
        image,
        class_of(ground, image),
    )
    assert dispute.blind and not dispute.votes  # a label of the random stream is decided blind
    assert after == []
    assert values(ground)[image] == (class_of(ground, image), ReviewKind.RANDOM)


def later() -> Actor:
    return replace(LEAD, now=NOW.replace(hour=23))


def test_asking_again_about_an_image_leaves_its_re_review_alone(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    ground = labelled(database, tmp_path, make_project(database), pool=40, reserved=0)
    review, image = one_re_review(ground)
    answers_of(ground, person(ground, "bob"), {review: class_of(ground, image)})

    with transaction(database) as session:
        ask_again(session, ground.project, [ImageId(image)], LEAD)

    assert review not in wants(ground) and len(wants(ground)) == 1


def test_re_reviews_change_no_figure_of_how_far_people_agree(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    ground = labelled(database, tmp_path, make_project(database), pool=0, reserved=40)
    request(ground)
    ask_re_reviews(ground.parts, ground.project.id)
    answer_all(ground, lambda image: {"bob": class_of(ground, image, wrong=True)})

    refresh_agreement(ground.parts, ground.project.id)

    with reading(database) as session:
        assert dashboard.figures(session, ground.project.id)["agreement"].data["people"]["all"]["images"] == 0


# who is asked


def test_who_gave_the_label_counts_for_nothing_and_another_person_is_asked(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    ground = labelled(database, tmp_path, make_project(database))
    review, image = one_re_review(ground)
    ann = person(ground, "ann")
    answers_of(ground, ann, {review: class_of(ground, image)})

    alone = ask_another_re_reviewer(ground.parts, ground.project.id), figure(ground)
    with transaction(database) as session:
        asked_about(session, ground.project, ground.pool[0], {person_of(session, ground, "bob"): "cat"})
    counts = [ask_another_re_reviewer(ground.parts, ground.project.id) for _ in range(2)]

    assert alone[0] == {"another_re_reviewer": 0} and alone[1]["waiting"] == 1
    assert counts == [{"another_re_reviewer": 1}, {"another_re_reviewer": 0}]
    assert wants(ground) == {review: 2}


def test_a_third_person_is_asked_after_one_who_differs_and_none_after_one_who_agrees(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    ground = labelled(database, tmp_path, make_project(database))
    request(ground, 2)
    ask_re_reviews(ground.parts, ground.project.id)
    (first, _), (second, _) = asked(ground)
    bob, eve = person(ground, "bob"), person(ground, "eve")
    answers_of(ground, bob, {ReviewId(first.id): class_of(ground, first.image_id, wrong=True)})
    answers_of(ground, bob, {ReviewId(second.id): class_of(ground, second.image_id)})
    with transaction(database) as session:
        asked_about(session, ground.project, ground.pool[0], {eve: "cat"})

    ask_another_re_reviewer(ground.parts, ground.project.id)

    assert wants(ground) == {first.id: 2}
    with reading(database) as session:
        assert [one.id for one in reviews.open_reviews(session, ground.project.id)] == [first.id]


# the figure


def answer_all(ground: Ground, says: Callable[[int], Mapping[str, str]]) -> None:
    """Other people answer every open re-review; `says` gives who says what of an image."""
    numbers = {name: person(ground, name) for name in ("bob", "eve")}
    for review, _ in asked(ground):
        for name, value in says(review.image_id).items():
            answers_of(ground, numbers[name], {ReviewId(review.id): value})


def test_it_is_not_yet_known_and_says_how_many_re_reviews_would_tell(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    ground = labelled(database, tmp_path, make_project(database))

    found = figure(ground)

    assert not found["share"]["known"] and found["share"]["value"] is None and found["as_of"] is None
    assert found["labels"] == 120 and 30 < found["would_tell"] < 120
    assert found["more"] == 30 and found["width_now"] is None and 0 < found["width_then"] < 0.4
    assert refresh_wrong_labels(ground.parts, ground.project.id) == {"wrong_labels": 0}


def test_of_few_labels_nothing_is_offered(database: sa.Engine, make_project: Make, tmp_path: Path) -> None:
    ground = labelled(database, tmp_path, make_project(database), pool=12, reserved=0)

    found = figure(ground)

    assert (found["would_tell"], found["more"], found["width_then"]) == (None, 0, None)


def test_double_answers_on_the_random_stream_show_at_least_how_many_are_wrong(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    ground = team_ground(database, tmp_path, make_project(database), pool=40, reserved=40)
    with transaction(database) as session:
        ann, bob = people(session, ground.project, "ann", "bob").values()
        for at, image in enumerate(ground.reserved):
            said = {ann: class_of(ground, image), bob: class_of(ground, image, wrong=at < 12)}
            asked_about(session, ground.project, image, said, kind=ReviewKind.RANDOM)
        for image in ground.pool:  # asked of two by doubt, which chance did not choose
            asked_about(session, ground.project, image, {ann: "cat", bob: "dog"}, kind=ReviewKind.HARD)

    found = figure(ground)

    assert found["doubled"] == 40 and 0.05 < found["at_least"] < 0.15
    assert found["share"]["value"] is None


def test_unanswered_suspicious_ones_count_half_and_a_task_that_is_gone_does_not_stop_the_count(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    ground = labelled(database, tmp_path, make_project(database))
    request(ground, 45)
    ask_re_reviews(ground.parts, ground.project.id)
    gone, silent = asked(ground)[-1][0], [review for review, row in asked(ground) if row.suspicious][0]
    with transaction(database) as session:
        reviews.end(session, [ReviewId(gone.id)], reviews.TASK_DELETED, NOW)
    bob = person(ground, "bob")
    for review, _ in asked(ground):
        if review.id not in (gone.id, silent.id):
            answers_of(ground, bob, {ReviewId(review.id): class_of(ground, review.image_id)})

    found = figure(ground)

    assert found["share"]["n"] == 45 and found["open"] == 2 and found["wrong"] == 0


def test_a_label_that_all_gave_is_open_and_keeps_no_share_from_being_known(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    ground = labelled(database, tmp_path, make_project(database))
    request(ground, 45)
    ask_re_reviews(ground.parts, ground.project.id)
    by_both = next(review for review, row in asked(ground) if not row.suspicious and row.place == 0)
    bob, eve = person(ground, "bob"), person(ground, "eve")
    for review, _ in asked(ground):
        if review.id != by_both.id:
            answers_of(ground, bob, {ReviewId(review.id): class_of(ground, review.image_id)})
    waits = figure(ground)
    with transaction(database) as session:
        asked_about(session, ground.project, by_both.image_id, {bob: class_of(ground, by_both.image_id)}, settled=False)
    nobody_left = figure(ground)
    with transaction(database) as session:
        asked_about(session, ground.project, ground.pool[0], {eve: "cat"}, settled=False)

    somebody_came = figure(ground)

    assert not waits["share"]["known"] or waits["share"]["n"] < 45
    assert nobody_left["share"]["n"] == 45 and nobody_left["open"] == 1 and nobody_left["waiting"] == 0
    assert nobody_left["share"]["lower"] == 0 and nobody_left["share"]["upper"] > 1 / 120
    assert somebody_came["waiting"] == 1 and somebody_came["share"] == waits["share"]


def test_the_figure_speaks_of_the_newest_plan_of_which_enough_is_answered(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    ground = labelled(database, tmp_path, make_project(database), wrong=10)
    request(ground, 60)
    ask_re_reviews(ground.parts, ground.project.id)
    answer_all(ground, lambda image: {"bob": class_of(ground, image), "eve": class_of(ground, image)})
    first = figure(ground)
    with transaction(database) as session:
        ann = person_of(session, ground, "ann")
        for _ in range(120):
            image = factories.image(session, ground.project.id, reserved=False)
            asked_about(session, ground.project, image, {ann: "cat"}, settled=False)
            ground.truth[image] = 0
        resolve_labels(session, ground.project, [ImageId(image) for image in ground.truth], NOW)
    request(ground, 1)
    ask_re_reviews(ground.parts, ground.project.id)

    between = figure(ground)
    request(ground, 60)
    ask_re_reviews(ground.parts, ground.project.id)
    answer_all(ground, lambda image: {"bob": class_of(ground, image), "eve": class_of(ground, image)})
    second = figure(ground)

    assert (first["labels"], between["labels"], second["labels"]) == (120, 120, 240)
    assert second["given"]["lower"] <= 12 / 240 <= second["given"]["upper"]
    assert second["asked"] == 121 and second["share"]["n"] > 30


@pytest.mark.parametrize("seed", range(6))
def test_the_interval_holds_the_share_of_wrong_labels_before_and_after_they_are_corrected(
    database: sa.Engine, make_project: Make, tmp_path: Path, seed: int
) -> None:
    """A replay through the product's functions with known truth: people who err in a tenth, weak suspicion."""
    project = make_project(database, policy=Policy(seed=seed))
    ground = team_ground(database, tmp_path, project, pool=150, reserved=50)
    rng = np.random.default_rng(seed)
    with transaction(database) as session:
        ann = person_of(session, ground, "ann")
        for image in ground.truth:
            asked_about(
                session, project, image, {ann: class_of(ground, image, wrong=rng.random() < 0.08)}, settled=False
            )
        resolve_labels(session, project, [ImageId(image) for image in ground.truth], NOW)
    given = wrong_share(ground)
    request(ground, 75)
    ask_re_reviews(ground.parts, project.id)
    bob, eve, lead = (person(ground, name) for name in ("bob", "eve", "lead"))

    for review, _ in asked(ground):
        label = values(ground)[review.image_id][0]
        said = class_of(ground, review.image_id, wrong=bool(rng.random() < 0.1))
        answers_of(ground, bob, {ReviewId(review.id): said})
        if said != label:  # a third answer, and where it differs too the label follows
            answers_of(ground, eve, {ReviewId(review.id): class_of(ground, review.image_id)})

    found = figure(ground)
    assert lead and found["share"]["n"] == 75 and found["open"] == 0
    assert found["given"]["lower"] <= given <= found["given"]["upper"]
    assert found["share"]["lower"] <= wrong_share(ground) <= found["share"]["upper"]
    assert found["given"]["upper"] - found["given"]["lower"] < 0.2


def wrong_share(ground: Ground) -> float:
    stand = values(ground)
    return sum(stand[image][0] != class_of(ground, image) for image in stand) / len(ground.truth)


# bad input


def test_labels_of_one_class_or_without_vectors_are_re_reviewed_by_chance_alone(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    one_class = team_ground(database, tmp_path / "one", make_project(database, name="one"), pool=40, reserved=0)
    one_class.label(one_class.pool, None, "cat")
    bare = team_ground(database, tmp_path / "bare", make_project(database, name="bare"), pool=0, reserved=0)
    with transaction(database) as session:
        images = [factories.image(session, bare.project.id, reserved=False) for _ in range(40)]
    bare.label(images, None, "dog")

    for ground in (one_class, bare):
        request(ground)
        assert ask_re_reviews(ground.parts, ground.project.id) == {"re_reviews": 30}

    assert {one for row in rows_of(database, ReReviewPlanRow) for one in row.suspicion} == {None}
    with reading(database) as session:
        assert len(re_reviews.of_project(session, bare.project.id)) == 30


def test_gold_is_no_label_to_re_review_and_none_of_these_is_one(
    database: sa.Engine, make_project: Make, tmp_path: Path
) -> None:
    ground = team_ground(database, tmp_path, make_project(database), pool=60, reserved=0)
    with transaction(database) as session:
        for image in ground.pool[:20]:
            factories.label(session, ground.project.id, image, "cat", LabelSource.GOLD)
    ground.label(ground.pool[20:], None, "none of these")

    assert request(ground, 100).new == 40
    ask_re_reviews(ground.parts, ground.project.id)

    assert {review.image_id for review, _ in asked(ground)} == set(ground.pool[20:])


def test_a_project_without_labels_has_nothing_to_ask(database: sa.Engine, make_project: Make, tmp_path: Path) -> None:
    ground = team_ground(database, tmp_path, make_project(database), pool=3, reserved=0)

    assert ask_re_reviews(ground.parts, ground.project.id) == {"re_reviews": 0}
    assert ask_another_re_reviewer(ground.parts, ground.project.id) == {"another_re_reviewer": 0}
    assert figure(ground)["would_tell"] is None

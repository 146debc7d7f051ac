"""Versions as people inspect and compare them: on what a verdict would rest, and what changes in the pool."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.certificates import certificates, sets
from db.repositories.certificates.certificates import NewCertificate
from db.repositories.engines import reports
from db.repositories.versions import versions
from db.session import reading, transaction
from db.tables import PredictionFileRow
from labeling.errors import Conflict, Invalid, NotFound
from labeling.project import CertificateTerms, Gate, Policy, Project
from labeling.promote.judgement import Sample
from labeling.quality.metrics import clopper_pearson
from labeling.types import ReviewKind
from service.jobs.arguments import CompareArguments
from service.projects.version_comparison import (
    KIND,
    NOT_THE_STREAM,
    VersionComparison,
    newest_comparison,
    sentence,
    two_versions,
)
from service.projects.versions import ListedVersion, ShownVersion, listed, shown
from service.work.pool.pool import load_pool
from service.work.pool.saved_versions import load_classifier, pin_of_card
from service.work.promote import compare as compare_room
from service.work.promote.compare import answer, compare
from service.work.promote.judge import promote_by_hand
from service.work.quality.label_quality import refresh_label_quality
from tests.service.labelled_pool import Ground, add_images
from tests.service.learn import versions_ground
from tests.service.learn.versions_ground import learnt

MakeProject = Callable[..., Project]
TERMS = CertificateTerms(precision=0.9, first_size=40, sizes=2, audit=0)


@pytest.fixture
def ground(database: sa.Engine, tmp_path: Path, make_project: MakeProject) -> Ground:
    return versions_ground.two_versions(database, tmp_path, make_project)


@pytest.fixture
def measured(database: sa.Engine, tmp_path: Path, make_project: MakeProject) -> Ground:
    """With a hundred answers of the random stream, which carry the verdict."""
    return versions_ground.two_versions(database, tmp_path, make_project, reserved=120, answered=100)


def compared(ground: Ground, first: int = 2, second: int = 1, limit: int = 20) -> VersionComparison:
    return compare(ground.parts, ground.project, first, second, limit=limit)


def plan_a_certificate(ground: Ground) -> None:
    with transaction(ground.parts.database) as session:
        terms = {"config_version": 1, "newest_review": 0, "cursor": 0.0, "now": ground.clock()}
        certificates.add_terms(session, ground.project.id, TERMS, **terms)


def verdict_report(ground: Ground, number: int = 2) -> dict[str, object]:
    with reading(ground.parts.database) as session:
        version = versions.by_number(session, ground.project.id, number)
        return versions.promotions(session, ground.project.id, version.id)[-1].report


def classes_of(ground: Ground, number: int) -> dict[int, int]:
    """What a version predicts of every image, by a plain prediction of all at once."""
    with reading(ground.parts.database) as session:
        version = versions.by_number(session, ground.project.id, number)
    classifier, card = load_classifier(ground.parts.settings.home, version)
    pool = load_pool(ground.parts, ground.project, pin_of_card(card))
    said = classifier.logits(pool.inputs.take(slice(None))).argmax(axis=1)
    return dict(zip(pool.image_ids.tolist(), said.tolist(), strict=True))


# --- the paired test ------------------------------------------------------------------------------------


def test_while_the_stream_is_short_it_is_the_difference_that_the_gates_verdict_has(ground: Ground) -> None:
    found, verdict = compared(ground), verdict_report(ground)

    assert (found.basis, found.from_stream) == (verdict["carried_by"], False)
    assert "training images" in found.basis and found.test is not None
    assert found.test.images == verdict["labels"] == 60
    assert found.test.difference == pytest.approx(verdict["gain"], abs=1e-6)
    assert [found.test.lower, found.test.upper] == pytest.approx(verdict["interval"], abs=1e-6)


def test_from_a_hundred_images_of_the_stream_it_rests_on_them_as_the_verdict_does(measured: Ground) -> None:
    found, verdict = compared(measured), verdict_report(measured)

    assert found.from_stream and found.test is not None and found.test.images == 100
    assert found.test.difference == pytest.approx(verdict["gain"], abs=1e-6)
    assert found.test.worse > found.test.better and found.test.p_value < 0.05
    assert "against version 1" in sentence(found) and "exact" in sentence(found)


def test_the_other_way_round_it_is_the_opposite(ground: Ground) -> None:
    one, other = compared(ground, 2, 1), compared(ground, 1, 2)

    assert one.test is not None and other.test is not None
    assert one.test.difference == -other.test.difference
    assert (one.test.better, one.test.worse) == (other.test.worse, other.test.better)
    assert {(f.before, f.after, f.images) for f in one.flips} == {(f.after, f.before, f.images) for f in other.flips}


def test_with_too_few_labels_it_is_not_yet_known_and_says_how_many_are_needed(
    database: sa.Engine, tmp_path: Path, make_project: MakeProject
) -> None:
    ground = versions_ground.make_ground(database, tmp_path, make_project(database))
    for some in (ground.pool[:12], ground.pool[12:18]):
        ground.label(some, ReviewKind.HARD)
        learnt(ground)

    found = compared(ground)

    assert found.test is None and "there are 18" in found.why and "30 are needed" in found.why
    assert found.pool == 100 and found.flipped == sum(one.images for one in found.flips)


# --- what changes in the pool ---------------------------------------------------------------------------


def test_the_flipped_images_are_those_of_a_plain_prediction_of_both(ground: Ground) -> None:
    first, second, names = classes_of(ground, 2), classes_of(ground, 1), ground.project.config.classes

    found = compared(ground, limit=200)

    flipped = {image for image in first if first[image] != second[image]}
    assert flipped and {one.image_id for one in found.images} == flipped
    assert (found.pool, found.flipped, found.unlisted) == (100, len(flipped), 0)
    assert all(
        (names[second[one.image_id]], names[first[one.image_id]]) == (one.before, one.after) for one in found.images
    )
    assert all(1 / 3 <= one.before_probability <= 1 for one in found.images)


def test_blocks_change_nothing_and_the_limit_keeps_the_surest(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = compared(ground, limit=200)
    monkeypatch.setattr(compare_room, "IMAGES_A_BLOCK", 7)

    small, few = compared(ground, limit=200), compared(ground, limit=3)

    assert small == whole
    assert few.images == whole.images[:3] and few.flips == whole.flips


def test_nothing_that_is_predicted_for_it_is_stored_and_new_images_are_compared_too(ground: Ground) -> None:
    files = ground.scalars(sa.select(PredictionFileRow.version_id))
    add_images(ground, 9, False)  # neither version has predicted these

    found = compared(ground)

    assert found.pool == 109
    assert ground.scalars(sa.select(PredictionFileRow.version_id)) == files and len(files) == 1


def test_what_was_stored_and_what_is_computed_say_the_same(ground: Ground) -> None:
    stored = compared(ground, limit=200)
    shutil.rmtree(ground.parts.settings.home / "predictions")

    assert compared(ground, limit=200) == stored


# --- a certificate --------------------------------------------------------------------------------------


def test_while_a_certificate_is_planned_the_stream_is_withheld(measured: Ground) -> None:
    before = compared(measured, limit=200)
    plan_a_certificate(measured)

    found = compared(measured, limit=200)

    assert before.from_stream and not found.from_stream
    assert found.test is not None and found.test.images == 60
    assert found.flips == before.flips and found.flipped == before.flipped
    reserved = set(measured.reserved)
    assert {one.image_id for one in before.images} & reserved
    assert found.unlisted and not {one.image_id for one in found.images} & reserved


def test_answers_of_the_stream_change_nothing_that_is_shown_while_one_is_planned(measured: Ground) -> None:
    plan_a_certificate(measured)
    before = compared(measured, limit=200)

    measured.label(measured.reserved[:100], ReviewKind.RANDOM, "cat")

    assert compared(measured, limit=200) == before


def test_a_comparison_is_no_choice_by_the_stream_and_a_version_put_in_use_after_an_attempt_is(measured: Ground) -> None:
    plan_a_certificate(measured)
    answer(measured.parts, measured.project.id, CompareArguments(2, 1, 5, "ada"))
    promote_by_hand(measured.parts, measured.project.id, 2, "ada", "the comparison")
    before = choices(measured)
    with transaction(measured.parts.database) as session:
        certificates.add(session, measured.project.id, attempt(session, measured), [], [], measured.clock())

    answer(measured.parts, measured.project.id, CompareArguments(2, 1, 5, "ada"))  # a second size is to be tried
    between = one_comparison(measured)
    promote_by_hand(measured.parts, measured.project.id, 1, "ada", "the comparison")

    assert before == 0 and not between.from_stream and between.images and not between.withheld
    assert choices(measured) == 1


def choices(ground: Ground) -> int:
    with reading(ground.parts.database) as session:
        terms = certificates.terms_in_force(session, ground.project.id)
        assert terms is not None
        return sets.choices_since(session, ground.project.id, terms.at, Sample.STREAM)


def attempt(session: Session, ground: Ground) -> NewCertificate:
    terms = certificates.terms_in_force(session, ground.project.id)
    version = versions.champion(session, ground.project.id)
    assert terms is not None and version is not None
    return NewCertificate(
        terms_id=terms.id, look=1, version_id=version.id, size=40, sampled=40, rank=0, wrong=4, accepted=0,
        delta=0.03, versions=1, report={},
    )  # fmt: skip


def one_comparison(ground: Ground) -> VersionComparison:
    with reading(ground.parts.database) as session:
        made = newest_comparison(session, ground.project, 2, 1)
    assert isinstance(made, VersionComparison)
    return made


def test_what_was_computed_by_the_stream_before_is_not_handed_out_either(measured: Ground) -> None:
    answer(measured.parts, measured.project.id, CompareArguments(2, 1, 20, "ada"))
    kept = []
    for plan in (False, True):
        if plan:
            plan_a_certificate(measured)
        with reading(measured.parts.database) as session:
            kept.append(newest_comparison(session, measured.project, 2, 1))

    open_, closed = kept
    assert isinstance(open_, VersionComparison) and open_.test is not None and open_.images
    assert isinstance(closed, VersionComparison) and closed.test is None and not closed.images
    assert NOT_THE_STREAM in sentence(closed) and closed.withheld == NOT_THE_STREAM


def test_one_version_says_nothing_of_the_stream_while_one_is_planned(measured: Ground) -> None:
    before = one(measured, 1)
    plan_a_certificate(measured)

    found = one(measured, 1)

    assert before.accuracy.value is not None and before.recall and not before.withheld
    assert found.accuracy.value is None and found.accuracy.n == 0 and not found.recall
    assert found.withheld == NOT_THE_STREAM


def test_what_the_stream_shows_beside_a_verdict_is_left_out_too(
    database: sa.Engine, tmp_path: Path, make_project: MakeProject
) -> None:
    ground = versions_ground.two_versions(database, tmp_path, make_project, answered=35)
    before = one(ground, 2), every(ground)[0]
    plan_a_certificate(ground)

    found = one(ground, 2), every(ground)[0]

    beside = [why for why in before[0].verdicts[0].reasons if "On 35 images of the random stream the difference" in why]
    assert len(beside) == 1 and before[1].measured is not None and found[1].measured is not None
    for given, left in ((before[0].verdicts[0], found[0].verdicts[0]), (before[1].measured, found[1].measured)):
        assert left.reasons == [why for why in given.reasons if why not in beside]
        assert left.gain == given.gain is not None


# --- the job and its report -----------------------------------------------------------------------------


def test_the_job_keeps_it_and_the_newest_is_shown(ground: Ground) -> None:
    for limit in (3, 5):
        counts = answer(ground.parts, ground.project.id, CompareArguments(limit=limit, asked_by="ada"))

    with reading(ground.parts.database) as session:
        found = newest_comparison(session, ground.project, 2, 1)
        other = newest_comparison(session, ground.project, 1, 2)
        report = reports.newest(session, ground.project.id, KIND)
    assert report is not None and (report.id, report.asked_by) == (counts["report"], "ada")
    assert isinstance(found, VersionComparison) and len(found.images) == 5 and found.at is not None
    assert other is None


def test_a_damaged_version_is_named_and_the_job_is_not_tried_again(ground: Ground) -> None:
    card = ground.parts.settings.home / "models" / str(ground.project.id) / "2" / "card.json"
    card.write_text(card.read_text().replace("logistic", "logical"))

    answer(ground.parts, ground.project.id, CompareArguments(2, 1))

    with reading(ground.parts.database) as session:
        found = newest_comparison(session, ground.project, 2, 1)
    assert isinstance(found, str) and "version 2" in found
    assert one(ground, 2).card is None and "version 2" in one(ground, 2).damage


def test_the_reports_on_engines_do_not_list_it(ground: Ground) -> None:
    kept = answer(ground.parts, ground.project.id, CompareArguments())["report"]

    with reading(ground.parts.database) as session:
        assert reports.listing(session, ground.project.id, after=None, limit=9, kinds=("compare",)).items == []
        with pytest.raises(NotFound):
            reports.by_id(session, ground.project.id, kept, ("compare", "plan"))


# --- which two ------------------------------------------------------------------------------------------


def pair(ground: Ground, first: int | None = None, second: int | None = None) -> tuple[int, int]:
    with reading(ground.parts.database) as session:
        return two_versions(session, ground.project.id, first, second)


def test_by_default_the_newest_is_compared_with_the_champion_or_the_one_before(ground: Ground) -> None:
    assert pair(ground) == pair(ground, 2) == (2, 1)
    assert pair(ground, 1, 2) == (1, 2)
    with pytest.raises(Invalid, match="Both are version 2"):
        pair(ground, 2, 2)
    with pytest.raises(Conflict, match="no other champion to compare version 1"):
        pair(ground, 1)
    with pytest.raises(NotFound, match="no version 7"):
        pair(ground, 2, 7)


def test_without_a_version_it_says_what_to_do(database: sa.Engine, tmp_path: Path, make_project: MakeProject) -> None:
    empty = versions_ground.make_ground(database, tmp_path, make_project(database), pool=3, reserved=1)

    with pytest.raises(Conflict, match="hardcase learn"):
        pair(empty)
    with reading(database) as session:
        assert listed(session, empty.project) == []


# --- the list, and one ----------------------------------------------------------------------------------


def every(ground: Ground) -> list[ListedVersion]:
    with reading(ground.parts.database) as session:
        return listed(session, ground.project)


def one(ground: Ground, number: int) -> ShownVersion:
    with reading(ground.parts.database) as session:
        return shown(session, ground.parts.settings.home, ground.project, number)


def test_the_list_says_what_each_verdict_rests_on_and_who_is_in_use(ground: Ground) -> None:
    newest, oldest = every(ground)

    assert (newest.number, newest.labels, newest.champion, newest.verdict) == (2, 60, False, "refused")
    assert newest.measured is not None and newest.measured.against == 1
    assert "training images" in newest.measured.basis and newest.measured.images == 60
    assert newest.measured.lower is not None and newest.measured.gain is not None and newest.measured.upper is not None
    assert newest.measured.lower < newest.measured.gain < newest.measured.upper
    assert (oldest.number, oldest.champion, oldest.by_hand, oldest.measured) == (1, True, True, None)


def test_a_version_is_shown_with_its_card_its_verdicts_and_what_they_could_detect(ground: Ground) -> None:
    found = one(ground, 2)

    assert found.card is not None and found.card.classes == list(ground.project.config.classes)
    assert (found.card.head, found.card.fusion) == ("logistic", "concatenation")
    assert found.card.snapshot_hash == verdict_version(ground).snapshot_hash
    assert sum(found.labels_by_class.values()) == 60 and found.without_examples == []
    assert found.verdicts[0].reasons and found.verdicts[0].passes is not None and found.verdicts[0].fails is not None
    with pytest.raises(NotFound, match="no version 5"):
        one(ground, 5)


def test_what_is_known_of_the_stream_has_its_interval(measured: Ground) -> None:
    found = one(measured, 1)

    assert found.accuracy.known and found.accuracy.n == 100
    assert found.accuracy.lower is not None and found.accuracy.value is not None
    assert found.accuracy.lower < found.accuracy.value
    assert sum(recall.of for recall in found.recall) == 100
    assert {recall.lower for recall in found.recall} == {None}  # the quality of the labels was not computed yet
    assert one(measured, 2).recall == []  # counted of the champion only


def test_what_is_known_of_a_class_has_its_interval(measured: Ground) -> None:
    refresh_label_quality(measured.parts, measured.project.id)

    found = one(measured, 1).recall

    for recall in found:
        if recall.of >= 30:
            assert recall.lower is not None and recall.upper is not None
            assert (recall.lower, recall.upper) == pytest.approx(clopper_pearson(recall.right, recall.of), abs=1e-4)
    assert any(recall.of >= 30 for recall in found)


def test_the_verdict_names_the_classes_that_were_tested_where_the_policy_says_so(
    database: sa.Engine, tmp_path: Path, make_project: MakeProject
) -> None:
    policy = Policy(gate=Gate(class_refusals=0.05))
    ground = versions_ground.two_versions(database, tmp_path, make_project, policy)

    verdict = one(ground, 2).verdicts[0]

    assert [why for why in verdict.reasons if "Of 3 classes 3 were tested for being worse; at most 5 %" in why]


def verdict_version(ground: Ground) -> versions.Version:
    with reading(ground.parts.database) as session:
        return versions.by_number(session, ground.project.id, 2)

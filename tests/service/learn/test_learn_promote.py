"""Learn and promote on a real database and real files: by their triggers, twice, and with too little to learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from db.repositories.labels import labels
from db.repositories.queries import stream
from db.repositories.versions import predictions, versions
from db.session import reading, transaction
from db.tables import (
    AuditRow,
    GroupRow,
    ImageRow,
    LabelRow,
    PredictionRow,
    PromotionRow,
    ReviewRow,
)
from labeling.adapters.storage.prediction_files import read_predictions
from labeling.errors import BadArtifact, Conflict, NotFound
from labeling.jobs import Trigger
from labeling.learn.artifacts import CARD, WEIGHTS
from labeling.project import Policy, Project, Schedule
from labeling.types import NONE_OF_THESE, Actor, ReviewKind, Verdict
from service.work.learn.learn import due, learn
from service.work.pool.saved_versions import load_classifier
from service.work.pool.training_set import rebuild_snapshot
from service.work.promote.judge import judge, promote_by_hand, roll_back
from service.work.promote.predict import predict
from tests import factories
from tests.factories import NOW
from tests.service.labelled_pool import ENCODER, REVISION, Ground, add_images, make_ground, prelabel

HARD, RANDOM = ReviewKind.HARD, ReviewKind.RANDOM
MakeProject = Callable[..., Project]


@pytest.fixture
def ground(database: sa.Engine, tmp_path: Path, make_project: MakeProject) -> Ground:
    project = make_project(database, policy=Policy(learn_after_labels=12))
    return make_ground(database, tmp_path / "home", project)


@pytest.fixture
def measured(database: sa.Engine, tmp_path: Path, make_project: MakeProject) -> Ground:
    """With a random stream of a hundred answers: it carries the verdicts."""
    made = make_ground(database, tmp_path / "home", make_project(database), reserved=100)
    made.label(made.reserved, RANDOM)
    return made


def learnt(ground: Ground) -> int:
    return learn(ground.parts, ground.project.id, Trigger.ANSWERED)["version"]


def version(ground: Ground, number: int) -> versions.Version:
    with reading(ground.parts.database) as session:
        return versions.by_number(session, ground.project.id, number)


def champion(ground: Ground) -> int | None:
    with reading(ground.parts.database) as session:
        found = versions.champion(session, ground.project.id)
    return found.number if found else None


def verdicts(ground: Ground) -> list[Verdict]:
    with reading(ground.parts.database) as session:
        return [promotion.verdict for promotion in versions.promotions(session, ground.project.id)]


def judged(ground: Ground) -> int:
    return judge(ground.parts, ground.project.id, Trigger.LEARNED)["promoted"]


def predicted(ground: Ground) -> int:
    return predict(ground.parts, ground.project.id)["rows"]


# --- learn ----------------------------------------------------------------------------------------------


def test_a_version_is_fitted_saved_and_described(ground: Ground) -> None:
    ground.label(ground.pool[:24], HARD)
    ground.label(ground.reserved, RANDOM)

    number = learnt(ground)

    report = version(ground, number).report
    classifier, card = load_classifier(ground.parts.settings.home, version(ground, number))
    assert number == 1
    assert (report["examples"], report["random_labels"]) == (24, 40)
    assert report["calibration_labels"] == 40
    assert report["calibrated"] is classifier.calibrated is True
    assert report["accuracy"] > 0.8
    assert report["accuracy_interval"][0] < report["accuracy"] <= report["accuracy_interval"][1]
    assert (card.facts.engine_revision, card.facts.image_encoder) == (REVISION, ENCODER)
    assert card.facts.classes == ground.project.config.classes


def test_labels_that_the_others_speak_against_count_less_and_are_named(ground: Ground) -> None:
    ground.label(ground.pool[:54], HARD)
    for image in ground.pool[54:60]:
        ground.label([image], HARD, ground.project.config.classes[(ground.truth[image] + 1) % 3])

    report = version(ground, learnt(ground)).report

    with reading(ground.parts.database) as session:
        wrong = {
            label.id for label in labels.current(session, ground.project.id) if label.image_id in ground.pool[54:60]
        }
    assert wrong <= set(report["doubted"]) and len(report["doubted"]) <= len(wrong) + 2
    assert 48 < report["counted"] < 55


def test_learning_twice_from_the_same_labels_makes_one_version(ground: Ground) -> None:
    ground.label(ground.pool[:24], HARD)

    numbers = [learnt(ground), learnt(ground)]
    ground.label(ground.pool[24:30], ReviewKind.AUDIT)  # teaches nothing
    ground.label(ground.reserved[30:], HARD)  # and nothing of the reserve does
    numbers.append(learnt(ground))
    ground.label(ground.reserved[:20], RANDOM)  # fits the temperature
    numbers += [learnt(ground), learnt(ground)]

    assert numbers == [1, 1, 1, 2, 2]
    assert version(ground, 2).report["examples"] == version(ground, 1).report["examples"] == 24


def test_only_labels_that_may_train_do_and_none_of_the_reserve(ground: Ground) -> None:
    ground.label(ground.pool[:12], HARD)
    ground.label(ground.pool[12:15], None)  # imported
    ground.label(ground.reserved[6:9], None)  # imported, but reserved
    ground.label(ground.reserved[9:12], HARD)
    ground.label(ground.reserved[:6], RANDOM)
    ground.label(ground.pool[15:18], ReviewKind.AUDIT)
    ground.label(ground.pool[18:21], ReviewKind.GOLD)
    ground.label(ground.pool[21:24], HARD, NONE_OF_THESE)
    ground.label(ground.pool[24:27], ReviewKind.HARD)

    report = version(ground, learnt(ground)).report

    assert report["examples"] == 12 + 3 + 3
    assert report["random_labels"] == 6


def test_a_withdrawn_label_is_not_learnt_from(ground: Ground) -> None:
    ground.label(ground.pool[:12], HARD)
    with transaction(ground.parts.database) as session:
        factories.label(session, ground.project.id, ground.pool[0], None)

    assert version(ground, learnt(ground)).report["examples"] == 11


def test_under_twenty_labels_of_the_stream_it_says_uncalibrated(ground: Ground) -> None:
    ground.label(ground.pool[:12], HARD)
    ground.label(ground.reserved[:19], RANDOM)

    report = version(ground, learnt(ground)).report

    assert (report["temperature"], report["calibrated"]) == (0.5, False)


def test_from_three_hundred_labels_on_a_bias_a_class_is_kept_where_it_is_better_on_others(
    database: sa.Engine, tmp_path: Path, make_project: MakeProject
) -> None:
    ground = make_ground(database, tmp_path / "home", make_project(database), reserved=320)
    ground.label(ground.pool[:12], HARD)
    first = ground.project.config.classes[0]
    mistaken = [image for image in ground.reserved if ground.truth[image] and image % 4 == 0]
    ground.label(mistaken, RANDOM, first)  # the first class is likelier than any image looks
    ground.label([image for image in ground.reserved if image not in mistaken], RANDOM)

    found = version(ground, learnt(ground))
    classifier, card = load_classifier(ground.parts.settings.home, found)

    assert (found.report["calibration_labels"], found.report["calibrated"]) == (320, True)
    assert len(found.report["bias"]) == 3 and found.report["bias"][0] == max(found.report["bias"]) > 0.1
    assert list(card.bias) == list(classifier.bias) == found.report["bias"]


def test_under_thirty_random_labels_the_accuracy_is_not_yet_known(ground: Ground) -> None:
    ground.label(ground.pool[:12], HARD)
    ground.label(ground.reserved[:29], RANDOM)

    report = version(ground, learnt(ground)).report

    assert (report["random_labels"], report["accuracy"], report["accuracy_interval"]) == (29, None, None)


def test_a_sample_ends_where_the_first_answer_is_missing(ground: Ground) -> None:
    ground.label(ground.pool[:12], HARD)
    ground.label(ground.reserved, RANDOM)
    with transaction(ground.parts.database) as session:
        review = session.scalars(sa.select(ReviewRow.id).where(ReviewRow.image_id == ground.reserved[35])).one()
        factories.annotation(session, review, None, action="withdrawn", at=NOW + timedelta(seconds=1))
        factories.label(session, ground.project.id, ground.reserved[35], None)

    report = version(ground, learnt(ground)).report

    assert report["random_labels"] == report["calibration_labels"] == 35


def test_none_of_these_and_twins_are_counted_once_as_they_should(ground: Ground) -> None:
    ground.label(ground.pool[:24], HARD)
    ground.label(ground.reserved[:30], RANDOM)
    ground.label(ground.reserved[30:40], RANDOM, NONE_OF_THESE)
    with transaction(ground.parts.database) as session:  # the last two are twins of the first
        founder = session.scalars(sa.select(ImageRow.group_id).where(ImageRow.id == ground.reserved[0])).one()
        twins = sa.update(ImageRow).where(ImageRow.id.in_(ground.reserved[-2:]))
        session.execute(twins.values(group_id=founder))

    report = version(ground, learnt(ground)).report

    assert report["random_labels"] == 38
    assert report["accuracy"] <= 30 / 38


@pytest.mark.parametrize("labelled", ["nothing", "one class"])
def test_with_too_little_to_learn_from_nothing_happens_again_and_again(ground: Ground, labelled: str) -> None:
    if labelled == "one class":
        ground.label(ground.pool[:30], HARD, "cat")

    assert [learnt(ground), learnt(ground)] == [0, 0]
    assert not due(ground.parts, ground.project.id)
    assert judged(ground) == 0
    assert predicted(ground) == 0


def test_one_example_of_a_class_is_enough_and_a_class_without_any_is_named(ground: Ground) -> None:
    cats = [image for image in ground.pool if ground.truth[image] == 0]
    dogs = [image for image in ground.pool if ground.truth[image] == 1]
    ground.label([*cats[:5], dogs[0]], HARD)

    report = version(ground, learnt(ground)).report

    assert report["examples_by_class"] == {"cat": 5, "dog": 1, "bird": 0}
    assert report["classes_without_examples"] == ["bird"]


def test_where_all_embeddings_are_the_same_a_version_is_still_made(ground: Ground) -> None:
    same = add_images(ground, 12, False, vector=lambda vector: np.ones(8))
    ground.label(same, HARD)

    assert learnt(ground) == 1


def test_an_embedding_that_is_not_finite_is_left_out_and_named(ground: Ground) -> None:
    broken = add_images(ground, 1, False, vector=lambda vector: np.where(vector > 0, np.inf, vector))
    ground.label([*ground.pool[:12], *broken], HARD)

    report = version(ground, learnt(ground)).report

    assert report["examples"] == 12
    assert [(entry["image_id"], entry["reason"]) for entry in report["left_out"]] == [
        (broken[0], "the embedding of its image is not finite")
    ]
    assert not due(ground.parts, ground.project.id)


def test_a_vector_that_is_gone_leaves_its_image_out_until_it_is_back(ground: Ground) -> None:
    ground.label(ground.pool[:24], HARD)
    kept = {f"{i:064x}" for i in range(1, 100)}
    ground.parts.embeddings.collect(ENCODER, kept)

    report = version(ground, learnt(ground)).report

    assert report["examples"] == 23
    assert report["left_out"][0]["image_id"] == ground.pool[0]


def test_the_training_set_is_rebuilt_to_the_same_hash_whatever_came_later(ground: Ground) -> None:
    waiting = add_images(ground, 3, False, ready=False)
    ground.label([*ground.pool[:24], *waiting], None)
    ground.label(ground.reserved[:24], RANDOM)
    number = learnt(ground)
    with transaction(ground.parts.database) as session:  # what waited gets its group and prelabel
        for image_id in waiting:
            found = factories.group(session, ground.project.id, f"later {image_id}")
            session.execute(sa.update(ImageRow).where(ImageRow.id == image_id).values(group_id=found))
            prelabel(session, image_id, [0.5, 0.3, 0.2])
        factories.label(session, ground.project.id, ground.pool[0], "bird")
        factories.label(session, ground.project.id, ground.pool[1], None)
        factories.label(session, ground.project.id, ground.reserved[0], None)
        stream.reserve(session, ground.project.id, 0.001, 100, Actor("policy", "", NOW))
    ground.label(ground.pool[2:4], RANDOM)  # drawn now: no later version learns from them
    ground.label(ground.pool[48:60], HARD)

    with reading(ground.parts.database) as session:
        again = rebuild_snapshot(session, ground.project, version(ground, number))

    assert version(ground, number).report["examples"] == 24
    assert again.hash == version(ground, number).snapshot_hash
    assert learnt(ground) == 2


# --- due ------------------------------------------------------------------------------------------------


def test_it_is_due_after_enough_new_usable_labels_and_not_before(ground: Ground) -> None:
    answers = []
    for images in (ground.pool[:11], ground.pool[11:12]):
        ground.label(images, HARD)
        answers.append(due(ground.parts, ground.project.id))
    learnt(ground)
    answers.append(due(ground.parts, ground.project.id))
    ground.label(ground.reserved[:20], RANDOM)
    ground.label(ground.pool[12:26], HARD, NONE_OF_THESE)
    answers.append(due(ground.parts, ground.project.id))
    ground.label(ground.pool[26:38], HARD)
    answers.append(due(ground.parts, ground.project.id))

    assert answers == [False, True, False, False, True]


def test_it_is_due_by_the_schedule_with_any_new_label_and_never_without(ground: Ground) -> None:
    ground.label(ground.pool[:12], HARD)
    learnt(ground)

    ground.clock.at += timedelta(days=2)
    without = due(ground.parts, ground.project.id)
    ground.label(ground.pool[12:13], HARD)
    with_one = due(ground.parts, ground.project.id)

    assert (without, with_one) == (False, True)


def test_it_is_due_once_a_time_of_the_clock_has_come_and_any_label_is_new(
    database: sa.Engine, tmp_path: Path, make_project: MakeProject
) -> None:
    ground = clocked(database, tmp_path, make_project, Schedule(learn="0 3 * * *"))
    answers = []
    ground.clock.at += timedelta(hours=14)  # NOW is noon: 02:00
    ground.label(ground.pool[12:13], HARD)
    answers.append(due(ground.parts, ground.project.id))
    ground.clock.at += timedelta(hours=2)
    answers.append(due(ground.parts, ground.project.id))
    learnt(ground)
    ground.clock.at += timedelta(days=3)
    answers.append(due(ground.parts, ground.project.id))  # nothing is new

    assert answers == [False, True, False]


def test_in_quiet_hours_nothing_is_due_and_what_came_due_is_one_version_after_them(
    database: sa.Engine, tmp_path: Path, make_project: MakeProject
) -> None:
    ground = clocked(database, tmp_path, make_project, Schedule(learn="0 16 * * *", quiet="08:00-18:00"))
    ground.label(ground.pool[12:52], HARD)  # enough of them, too
    ground.clock.at += timedelta(hours=5)

    within = due(ground.parts, ground.project.id)
    ground.clock.at += timedelta(hours=1)
    after = due(ground.parts, ground.project.id)
    learnt(ground)

    assert (within, after, due(ground.parts, ground.project.id)) == (False, True, False)


def clocked(database: sa.Engine, folder: Path, make_project: MakeProject, schedule: Schedule) -> Ground:
    """With a version of twelve labels, by a policy that fits none for time that has passed."""
    project = make_project(database, policy=Policy(learn_every_s=10**9, schedule=schedule))
    made = make_ground(database, folder / "home", project)
    made.label(made.pool[:12], HARD)
    learnt(made)
    return made


def test_labels_that_waited_for_their_embedding_count_as_new_once_it_is_there(ground: Ground) -> None:
    waiting = add_images(ground, 12, False, ready=False)
    ground.label([*ground.pool[:12], *waiting], None)
    learnt(ground)
    before = due(ground.parts, ground.project.id)
    with transaction(ground.parts.database) as session:
        for image_id in waiting:
            found = factories.group(session, ground.project.id, f"later {image_id}")
            session.execute(sa.update(ImageRow).where(ImageRow.id == image_id).values(group_id=found))
            prelabel(session, image_id, [0.5, 0.3, 0.2])

    assert (before, due(ground.parts, ground.project.id)) == (False, True)


def test_a_changed_engine_asks_for_a_new_version_once_it_has_looked(ground: Ground) -> None:
    ground.label(ground.pool[:12], HARD)
    learnt(ground)
    changed = ground.with_engine("seeded-2")

    before = due(changed.parts, changed.project.id)
    with transaction(ground.parts.database) as session:
        for image_id in ground.pool[:12]:
            prelabel(session, image_id, [0.5, 0.3, 0.2], revision="seeded-2")
    after = due(changed.parts, changed.project.id)

    assert (before, after) == (False, True)
    assert learnt(changed) == 2


# --- promote --------------------------------------------------------------------------------------------


def test_a_version_better_than_the_engine_is_promoted_once_with_its_reasons(ground: Ground) -> None:
    ground.label(ground.pool[:30], HARD)
    ground.label(ground.reserved, RANDOM)
    learnt(ground)

    answers = [judged(ground), judged(ground)]

    assert answers == [1, 0]
    assert (champion(ground), verdicts(ground)) == (1, [Verdict.PROMOTED])
    reasons = ground.scalars(sa.select(PromotionRow.reasons))[0]
    assert "against the engine's pre-labels" in str(reasons) and "1 verdict" in str(reasons)


def test_a_version_worse_than_the_engine_is_refused_once_the_stream_tells(measured: Ground) -> None:
    ground = measured
    for image in ground.pool[:30]:
        ground.label([image], HARD, ground.project.config.classes[(ground.truth[image] + 1) % 3])  # all wrong
    learnt(ground)

    assert judged(ground) == 0
    assert (champion(ground), verdicts(ground)) == (None, [Verdict.REFUSED])
    assert predicted(ground) == 0


def test_too_few_labels_are_said_once_and_judged_when_the_stream_has_enough(
    database: sa.Engine, tmp_path: Path, make_project: MakeProject
) -> None:
    ground = make_ground(database, tmp_path / "home", make_project(database), reserved=100)
    ground.label(ground.pool[:29], HARD)
    ground.label(ground.reserved[:99], RANDOM)
    learnt(ground)

    early = [judged(ground), judged(ground)]
    ground.label(ground.reserved[99:], RANDOM)
    late = judged(ground)

    assert (early, late) == ([0, 0], 1)
    assert verdicts(ground) == [Verdict.NOT_YET_KNOWN, Verdict.PROMOTED]


def test_a_worse_candidate_leaves_the_champion_in_use(ground: Ground) -> None:
    crown_first(ground)
    for image in ground.pool[30:60]:
        ground.label([image], HARD, ground.project.config.classes[(ground.truth[image] + 1) % 3])
    learnt(ground)

    assert judged(ground) == 0
    assert (champion(ground), verdicts(ground)) == (1, [Verdict.PROMOTED, Verdict.REFUSED])


def crown_first(ground: Ground) -> None:
    ground.label(ground.pool[:30], HARD)
    ground.label(ground.reserved, RANDOM)
    learnt(ground)
    assert judged(ground) == 1


def test_the_champion_predicts_everything_and_leaves_evidence_where_people_looked(ground: Ground) -> None:
    crown_first(ground)

    rows = [predicted(ground), predicted(ground)]

    assert rows == [100, 0]
    with reading(ground.parts.database) as session:
        file = predictions.prediction_file(session, version(ground, 1).id)
    assert file is not None
    stored = read_predictions(ground.parts.settings.home, file.path, file.sha256)
    assert stored.image_ids.tolist() == sorted(ground.truth)
    assert np.allclose(stored.probs.sum(axis=1), 1, atol=0.01)
    assert set(ground.scalars(sa.select(PredictionRow.image_id))) == {*ground.pool[:30], *ground.reserved}


def test_new_images_make_the_predictions_stale_and_old_files_are_removed(ground: Ground) -> None:
    crown_first(ground)
    predicted(ground)

    add_images(ground, 5, False)
    rows = [predicted(ground), predicted(ground)]

    assert rows == [105, 0]
    assert len(list((ground.parts.settings.home / "predictions").rglob("*.safetensors"))) == 1


@pytest.mark.parametrize("damage", ["flip", "delete"])
def test_a_damaged_prediction_file_is_made_again(ground: Ground, damage: str) -> None:
    crown_first(ground)
    predicted(ground)
    [path] = (ground.parts.settings.home / "predictions").rglob("*.safetensors")
    if damage == "flip":
        path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 255]))
    else:
        path.unlink()

    assert [predicted(ground), predicted(ground)] == [100, 0]


def test_by_hand_a_refused_version_is_promoted_and_audited(ground: Ground) -> None:
    crown_first(ground)
    ground.label(ground.pool[30:60], HARD, "bird")
    learnt(ground)
    judged(ground)

    answers = [promote_by_hand(ground.parts, ground.project.id, 2, "ada", "new camera")["promoted"] for _ in range(2)]

    assert answers == [1, 0]
    assert champion(ground) == 2
    assert ground.scalars(sa.select(AuditRow.actor)) == ["ada"]
    with pytest.raises(NotFound, match="no version 9"):
        promote_by_hand(ground.parts, ground.project.id, 9, "ada", "")


def test_a_rollback_goes_back_one_champion_and_predicts_again(ground: Ground) -> None:
    crown_first(ground)
    predicted(ground)
    for first in (30, 40):
        ground.label(ground.pool[first : first + 10], HARD)
        number = learnt(ground)
        promote_by_hand(ground.parts, ground.project.id, number, "ada", "")
        predicted(ground)

    back = []
    for _ in range(2):
        roll_back(ground.parts, ground.project.id, "ada", "worse at night")
        back.append((champion(ground), predicted(ground)))

    assert back == [(2, 100), (1, 100)]
    assert verdicts(ground)[-2:] == [Verdict.ROLLED_BACK, Verdict.ROLLED_BACK]
    assert judged(ground) == 0  # what was left is not judged again
    with pytest.raises(Conflict, match="no earlier champion"):
        roll_back(ground.parts, ground.project.id, "ada", "")


def test_a_rollback_that_names_what_it_leaves_goes_back_once_however_often_it_runs(ground: Ground) -> None:
    crown_first(ground)
    for first in (30, 40):
        ground.label(ground.pool[first : first + 10], HARD)
        promote_by_hand(ground.parts, ground.project.id, learnt(ground), "ada", "")

    answers = [roll_back(ground.parts, ground.project.id, "ada", "", leaving=3)["promoted"] for _ in range(2)]

    assert (answers, champion(ground)) == ([1, 0], 2)


# --- whole or not at all --------------------------------------------------------------------------------


def test_what_a_killed_process_left_is_replaced(ground: Ground) -> None:
    ground.label(ground.pool[:12], HARD)
    models = ground.parts.settings.home / "models" / str(ground.project.id)
    for left in (models / "1", models / f".{ground.parts.settings.executor}.tmp"):
        left.mkdir(parents=True)
        (left / WEIGHTS).write_bytes(b"half")

    number = learnt(ground)

    load_classifier(ground.parts.settings.home, version(ground, number))
    assert sorted(path.name for path in models.iterdir()) == ["1"]


def test_the_champion_hashes_to_its_card_and_a_changed_card_is_refused(ground: Ground) -> None:
    crown_first(ground)
    folder = ground.parts.settings.home / version(ground, 1).path

    assert hashlib.sha256((folder / CARD).read_bytes()).hexdigest() == version(ground, 1).card_hash
    (folder / CARD).write_bytes((folder / CARD).read_bytes().replace(b"cat", b"cow"))
    with pytest.raises(BadArtifact, match="was changed"):
        predict(ground.parts, ground.project.id)


def test_a_project_without_images_learns_nothing(
    database: sa.Engine, tmp_path: Path, make_project: MakeProject
) -> None:
    empty = make_ground(database, tmp_path, make_project(database), pool=0, reserved=0)

    assert not due(empty.parts, empty.project.id)
    assert learnt(empty) == 0
    assert not empty.scalars(sa.select(sa.func.count()).select_from(LabelRow))[0]
    assert not empty.scalars(sa.select(GroupRow.id)) and not empty.scalars(sa.select(ReviewRow.id))

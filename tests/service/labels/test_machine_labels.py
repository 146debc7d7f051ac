"""Machine labels: of every image, with a reason where there is none, and hidden while a blind review is open."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image

from db.repositories.running import failures
from db.repositories.versions import predictions
from db.session import reading, transaction
from db.tables import FetchRow, ImageRow, RegistrationRow
from labeling.adapters.storage.image_store import ImageStore
from labeling.errors import Conflict, Unavailable
from labeling.jobs import Trigger
from labeling.prelabel.engines.scripted import ScriptedEngine
from labeling.project import Policy, Project
from labeling.types import Incoming, ReviewKind
from service.ingest.register import register_items
from service.jobs.jobs import Jobs
from service.labels.image_history import story_of
from service.labels.machine_labels import MachineLabel, before_calibration, champion_labels, machine_labels
from service.work.ingest.ingest import fetch_batch
from service.work.learn.learn import learn
from service.work.pool.champion import champion_predictions
from service.work.prelabel.prelabel import prelabel_batch
from service.work.promote.judge import promote_by_hand
from service.work.promote.predict import predict
from service.work.wiring import Parts
from tests import factories
from tests.service.labelled_pool import Ground, add_champion, add_images, make_ground, make_parts

PROBS = [0.7, 0.2, 0.1]


@pytest.fixture
def ground(any_database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Ground:
    return make_ground(any_database, tmp_path / "home", make_project(any_database), pool=6, reserved=2)


def listed(ground: Ground, *, leads: bool = True, limit: int = 50, **filters: object) -> list[MachineLabel]:
    """The whole list, slice after slice."""
    found: list[MachineLabel] = []
    after = None
    more = {"home": ground.parts.settings.home, "project": ground.project, "leads": leads, **filters}
    while True:
        with reading(ground.parts.database) as session:
            part = machine_labels(session, ground.project.id, after=after, limit=limit, **more)  # type: ignore[arg-type]
        assert len(part.items) <= limit
        found += part.items
        after = part.next_after
        if after is None:
            return found


def test_every_image_is_listed_with_what_the_champion_says_of_it(ground: Ground) -> None:
    ground.label(ground.pool[:2], ReviewKind.HARD)
    images = ground.pool + ground.reserved
    probs = [PROBS if image != ground.pool[0] else [0.1, 0.1, 0.8] for image in images]
    add_champion(ground.parts, ground.project, images, probs)

    found = listed(ground, limit=3)

    assert [one.image_id for one in found] == sorted(images, reverse=True)
    by_image = {one.image_id: one for one in found}
    first = by_image[ground.pool[0]]
    assert (first.label, first.machine_label, first.version, first.why) == ("cat", "bird", 1, "")
    assert first.probability == pytest.approx(0.8, abs=1e-3)
    assert by_image[ground.pool[5]].label is None


def test_filters_leave_out_what_does_not_match_and_the_list_still_ends(ground: Ground) -> None:
    ground.label(ground.pool[:2], ReviewKind.HARD)
    images = ground.pool + ground.reserved
    add_champion(ground.parts, ground.project, images, [[0.5 + i / 20, 0.5 - i / 20, 0] for i in range(len(images))])

    rest, sure = listed(ground, rest=True, limit=2), listed(ground, at_least=0.7, limit=1)

    assert [one.image_id for one in rest] == sorted(images[2:], reverse=True)
    assert [one.image_id for one in sure] == sorted(images[4:], reverse=True)
    assert listed(ground, label="dog") == []


def test_before_the_first_version_there_is_none_and_a_prelabel_is_none(ground: Ground) -> None:
    with reading(ground.parts.database) as session, pytest.raises(Conflict, match="no version yet"):
        champion_labels(session, ground.parts.settings.home, ground.project.id)

    assert {(one.machine_label, "no version yet" in one.why) for one in listed(ground)} == {(None, True)}


def test_a_version_whose_file_is_gone_or_damaged_says_nothing_until_it_predicts_again(ground: Ground) -> None:
    version = add_champion(ground.parts, ground.project, ground.pool, [PROBS] * 6)
    with reading(ground.parts.database) as session:
        file = predictions.prediction_file(session, version)
    assert file is not None
    path = ground.parts.settings.home / file.path
    whole = path.read_bytes()

    for broken in (whole[:-1] + b"\xff", whole[:100], None):
        path.unlink() if broken is None else path.write_bytes(broken)
        with reading(ground.parts.database) as session, pytest.raises(Unavailable, match="made again"):
            champion_labels(session, ground.parts.settings.home, ground.project.id)


def test_an_image_that_the_version_has_not_predicted_is_named_with_the_reason(ground: Ground) -> None:
    add_champion(ground.parts, ground.project, ground.pool + ground.reserved, [PROBS] * 8)
    [waiting] = add_images(ground, 1, False, ready=False)
    [later] = add_images(ground, 1, False)
    with transaction(ground.parts.database) as session:
        ungrouped = factories.image(session, ground.project.id, "f" * 64)
        factories.prelabel(session, ungrouped)

    why = {one.image_id: one.why for one in listed(ground) if one.why}

    assert why == {
        waiting: "its first pre-label is not made yet",
        later: "it came after version 1 had predicted",
        ungrouped: "its near-duplicate group is not known yet",
    }


def test_what_a_blind_review_hides_is_shown_to_leads_alone_whatever_is_filtered(ground: Ground) -> None:
    add_champion(ground.parts, ground.project, ground.pool, [PROBS] * 6)
    with transaction(ground.parts.database) as session:
        factories.review(session, ground.project.id, ground.pool[3], ReviewKind.RANDOM, blind=True)

    [hidden] = [one for one in listed(ground, leads=False) if one.hidden]
    filtered = [one.image_id for one in listed(ground, leads=False, label="cat")]

    assert (hidden.image_id, hidden.machine_label, hidden.score, hidden.version) == (ground.pool[3], None, None, None)
    assert sorted(filtered) == [image for image in ground.pool if image != ground.pool[3]]
    assert not any(one.hidden for one in listed(ground))


def test_class_and_score_come_from_before_the_calibration_and_the_probability_from_after(ground: Ground) -> None:
    report = {"temperature": 2.0, "fixed_temperature": 0.5}
    add_champion(ground.parts, ground.project, ground.pool, [PROBS] * 6, report=report)

    found = listed(ground)[-1]
    by_worker = champion_predictions(ground.parts, ground.project.id)

    assert by_worker is not None
    ranking = by_worker.ranking(np.array([0]))
    assert found.probability == pytest.approx(0.7, abs=1e-3)
    assert found.score == pytest.approx(ranking.max(), abs=1e-6)
    assert found.score == pytest.approx(0.7**4 / sum(p**4 for p in PROBS), abs=1e-3)


def test_a_calibration_that_changes_nothing_but_the_temperature_leaves_order_and_class() -> None:
    logits = np.random.default_rng(0).normal(scale=2, size=(200, 4))

    def at(temperature: float) -> np.ndarray:
        powers = np.exp(logits / temperature)
        return powers / powers.sum(axis=1, keepdims=True)

    for fitted in (0.6, 1.0, 3.0):
        back = before_calibration(at(fitted), {"temperature": fitted, "fixed_temperature": 0.9})
        assert back == pytest.approx(at(0.9), abs=2e-3)


def test_a_bias_a_class_changes_the_probability_that_is_shown_and_neither_class_nor_score(ground: Ground) -> None:
    plain = add_champion(ground.parts, ground.project, ground.pool, [PROBS] * 6, report={"temperature": 0.5})
    before = next(one for one in listed(ground) if one.image_id == ground.pool[0])
    report = {"temperature": 0.5, "bias": [-0.3, 0.1, 0.2], "calibrated": True}
    add_champion(ground.parts, ground.project, ground.pool, [PROBS] * 6, report=report)

    found = next(one for one in listed(ground) if one.image_id == ground.pool[0])
    shown = champion_predictions(ground.parts, ground.project.id)

    odds = np.array(PROBS) * np.exp(report["bias"])
    assert plain and before.probability == pytest.approx(0.7, abs=1e-3)
    assert (found.machine_label, found.score) == (before.machine_label, before.score) and found.score is not None
    assert found.probability == pytest.approx(float(odds[0] / odds.sum()), abs=1e-3)
    assert shown is not None and shown.shown[0] == pytest.approx(odds / odds.sum(), abs=1e-3)
    assert shown.ranking(np.array([0]))[0].max() == pytest.approx(found.score, abs=1e-3)


def test_the_history_of_an_image_has_the_champions_prediction_once(ground: Ground) -> None:
    version = add_champion(ground.parts, ground.project, ground.pool, [PROBS] * 6)
    with transaction(ground.parts.database) as session:
        factories.prediction(session, ground.pool[0], version, PROBS)
    home = ground.parts.settings.home

    with reading(ground.parts.database) as session:
        stories = [story_of(session, home, ground.project, image, leads=True) for image in ground.pool[:2]]  # type: ignore[arg-type]

    for story in stories:
        said = [fact for fact in story.facts if fact.what == "prediction"]
        assert [(fact.by, fact.says, fact.details["champion"]) for fact in said] == [("version 1", "cat", True)]
        assert story.machine.machine_label == "cat"
        assert [fact.at for fact in story.facts] == sorted(fact.at for fact in story.facts)


# --- a project to its end -------------------------------------------------------------------------------


def picture(seed: int) -> bytes:
    """Sixteen squares of random colours: no two are near-duplicates."""
    out = io.BytesIO()
    squares = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(squares).resize((64, 64), Image.Resampling.NEAREST).save(out, "PNG")
    return out.getvalue()


def arrive(parts: Parts, project: Project, folder: Path, files: dict[str, bytes]) -> None:
    """Files come, are fetched as far as they can be, and get pre-labels and groups."""
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    items = [Incoming(name, str(folder / name)) for name in files]
    with transaction(parts.database) as session:
        register_items(session, parts.jobs, project, items, parts.now(), local=True)
    while fetch_batch(parts, project.id, 64)["done"]:
        pass
    while prelabel_batch(parts, project.id, 64)["done"]:
        pass


def test_at_the_end_every_image_has_a_label_or_a_machine_label_and_every_other_file_a_reason(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = make_project(database, policy=Policy(engine="scripted"))
    engine, home = ScriptedEngine(project.config.classes), tmp_path / "home"
    jobs, images = Jobs(database), ImageStore(str(tmp_path / "media"))
    parts = replace(make_parts(database, home), jobs=jobs, images=images, engine_for=lambda project: engine)
    arrive(parts, project, tmp_path / "photos", {f"{n}.png": picture(n) for n in range(40)} | {"broken.png": b"no"})
    with transaction(database) as session:
        for n, image in enumerate(session.scalars(sa.select(ImageRow.id).order_by(ImageRow.id).limit(24)).all()):
            review = factories.review(session, project.id, image)
            factories.label(session, project.id, image, project.config.classes[n % 3], "people", review)
        factories.label(session, project.id, 1, None, "people")  # taken back
    version = learn(parts, project.id, Trigger.ANSWERED)["version"]
    promote_by_hand(parts, project.id, version, "lena", "the first")
    predict(parts, project.id)
    arrive(parts, project, tmp_path / "photos", {f"late {n}.png": picture(100 + n) for n in range(5)})
    predict(parts, project.id)

    counts = [predict(parts, project.id)["rows"]]
    ground = Ground(parts, project, None)  # type: ignore[arg-type]
    found = listed(ground, limit=7)

    jobs.close()
    assert counts == [0]  # twice changes nothing
    assert len(found) == 45
    assert [(one.image_id, one.why) for one in found if one.label is None and one.machine_label is None] == []
    with reading(database) as session:
        fetched = set(session.scalars(sa.select(FetchRow.registration_id)))
        others = session.execute(sa.select(RegistrationRow.id, RegistrationRow.reference)).all()
        reasons = {one.subject: one.reason for one in failures.listing(session, project.id, "fetch")}
    left = {name: reasons[str(key)] for key, name in others if key not in fetched}
    assert list(left) == ["broken.png"] and "not an image" in left["broken.png"]

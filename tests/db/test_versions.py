"""Versions, verdicts, examples and predictions in SQL, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.queries import examples
from db.repositories.queries.examples import AsOf
from db.repositories.queries.pool import count_ready, read_pool
from db.repositories.versions import predictions, versions
from db.repositories.versions.predictions import PredictionFile
from db.session import reading, transaction
from db.tables import PredictionRow, ReviewRow
from labeling.errors import Conflict, NotFound
from labeling.jobs import Trigger
from labeling.project import Project
from labeling.types import Example, ImageId, LabelSource, ReviewKind, Verdict
from tests import factories
from tests.factories import NOW

MakeProject = Callable[..., Project]
MEASURED = (ReviewKind.RANDOM, ReviewKind.GOLD)


def add_version(session: Session, project: Project, number: int) -> versions.Version:
    return versions.add_version(
        session,
        project.id,
        number,
        path=f"models/{number}",
        card_hash=f"card {number}",
        snapshot_hash=f"snapshot {number}",
        last_label_id=number,
        report={"examples": number},
        trigger=Trigger.ANSWERED,
        now=NOW,
    )


def give(session: Session, version: versions.Version, verdict: Verdict) -> None:
    versions.append_promotion(
        session,
        version,
        None,
        verdict,
        ["because"],
        report={"gain": 0.1},
        trigger=Trigger.LEARNED,
        author="the gate",
        now=NOW,
    )


def add_image(
    session: Session, project: Project, name: str, *, reserved: bool | None = False, revision: str | None = "r1"
) -> ImageId:
    image = factories.image(session, project.id, name, reserved=reserved)
    if revision is not None:
        factories.prelabel(session, image, revision=revision)
    return image


def add_review(session: Session, project: Project, image_id: ImageId, kind: ReviewKind) -> int:
    return factories.review(session, project.id, image_id, kind)


def add_label(
    session: Session,
    project: Project,
    image_id: ImageId,
    value: str | None,
    kind: ReviewKind | None = ReviewKind.HARD,
    source: LabelSource = LabelSource.PEOPLE,
) -> int:
    review = None if kind is None else add_review(session, project, image_id, kind)
    return factories.label(session, project.id, image_id, value, source, review)


def hard(session: Session, project: Project, as_of: AsOf | None = None) -> list[Example]:
    return examples.read_examples(session, project.id, [ReviewKind.HARD], as_of=as_of)


def test_a_version_is_read_as_it_was_saved_and_its_number_is_taken(
    any_database: sa.Engine, make_project: MakeProject
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        versions.lock(session, project.id)
        saved = add_version(session, project, versions.next_number(session, project.id))

    with reading(any_database) as session:
        assert versions.newest(session, project.id) == saved == versions.by_number(session, project.id, 1)
        assert versions.by_id(session, saved.id) == saved
        assert versions.next_number(session, project.id) == 2
    with pytest.raises(Conflict, match="another worker"), transaction(any_database) as session:
        add_version(session, project, 1)
    with pytest.raises(NotFound), reading(any_database) as session:
        versions.by_number(session, project.id, 2)


def test_the_champion_is_the_newest_promoted_or_the_one_rolled_back_to(
    any_database: sa.Engine, make_project: MakeProject
) -> None:
    project = make_project(any_database)
    states = []
    with transaction(any_database) as session:
        saved = [add_version(session, project, number) for number in (1, 2, 3)]
        for number, verdict in [
            (1, Verdict.NOT_YET_KNOWN),
            (1, Verdict.PROMOTED),
            (2, Verdict.REFUSED),
            (2, Verdict.PROMOTED),
            (3, Verdict.NO_CHANGE),
            (3, Verdict.PROMOTED),
            (2, Verdict.ROLLED_BACK),
        ]:
            give(session, saved[number - 1], verdict)
            champion = versions.champion(session, project.id)
            previous = versions.previous_champion(session, project.id)
            states.append((champion and champion.number, previous and previous.number))

    assert states == [(None, None), (1, None), (1, None), (2, 1), (2, 1), (3, 2), (2, 1)]


def test_champions_of_different_projects_do_not_mix(any_database: sa.Engine, make_project: MakeProject) -> None:
    one, other = make_project(any_database), make_project(any_database, name="plants")

    with transaction(any_database) as session:
        give(session, add_version(session, one, 1), Verdict.PROMOTED)

    with reading(any_database) as session:
        assert versions.champion(session, other.id) is None
        assert versions.promotions(session, other.id) == []


def test_the_current_label_is_the_newest_and_a_withdrawn_one_is_none(
    any_database: sa.Engine, make_project: MakeProject
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        one, two = add_image(session, project, "a"), add_image(session, project, "b")
        add_label(session, project, one, "cat")
        before = examples.now_of(session, project.id)
        add_label(session, project, two, "dog")
        changed = add_label(session, project, one, "bird")
        add_label(session, project, two, None)

    with reading(any_database) as session:
        now, then = hard(session, project), hard(session, project, before)

    assert [(e.image_id, e.label, e.label_id) for e in now] == [(one, "bird", changed)]
    assert [(e.image_id, e.label) for e in then] == [(one, "cat")]


def test_examples_are_read_by_kind_and_never_of_reserved_groups(
    any_database: sa.Engine, make_project: MakeProject
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        pool = [add_image(session, project, name) for name in "abc"]
        held = [add_image(session, project, name, reserved=True) for name in "def"]
        loose = add_image(session, project, "g", reserved=None)
        add_label(session, project, pool[0], "cat")
        add_label(session, project, pool[1], "cat", ReviewKind.RANDOM)
        add_label(session, project, pool[2], "cat", None, LabelSource.IMPORT)
        add_label(session, project, held[0], "cat", ReviewKind.RANDOM)
        add_label(session, project, held[1], "cat", None, LabelSource.IMPORT)
        add_label(session, project, held[2], "cat")
        add_label(session, project, loose, "cat", None, LabelSource.IMPORT)

    with reading(any_database) as session:
        train = examples.read_examples(session, project.id, [ReviewKind.HARD], imported=True)
        waiting = examples.unready_labels(session, project.id, "r1")
        elsewhere = examples.unready_labels(session, project.id, "r2")

    assert [(e.image_id, e.kind) for e in train] == [(pool[0], ReviewKind.HARD), (pool[2], None)]
    assert [image for _, image in waiting] == [loose]
    assert len(elsewhere) == 7


def test_the_pool_holds_what_is_grouped_and_prelabelled_by_this_revision(
    any_database: sa.Engine, make_project: MakeProject
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        ready = add_image(session, project, "a")
        held = add_image(session, project, "b", reserved=True)
        add_image(session, project, "c", reserved=None)
        add_image(session, project, "d", revision=None)
        add_image(session, project, "e", revision="r0")

    with reading(any_database) as session:
        rows = list(read_pool(session, project.id, "r1"))
        counted = count_ready(session, project.id, "r1")

    assert [(row.image_id, row.content_hash) for row in rows] == [(ready, "a"), (held, "b")]
    assert rows[0].probs == [0.5, 0.3, 0.2]
    assert counted == 2


def test_evidence_is_kept_once_for_what_is_asked_now_and_for_what_judges_versions(
    any_database: sa.Engine, make_project: MakeProject
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        asked, answered, judging, _ = (add_image(session, project, name) for name in "abcd")
        add_review(session, project, asked, ReviewKind.HARD)
        factories.annotation(session, add_review(session, project, answered, ReviewKind.HARD))
        factories.annotation(session, add_review(session, project, judging, ReviewKind.RANDOM))
        version = add_version(session, project, 1)
        missing = predictions.images_without_evidence(session, project.id, version.id, MEASURED, lately=0)

        added = [
            predictions.add_evidence(session, version.id, [(image, [0.7, 0.2, 0.1]) for image in missing], NOW)
            for _ in range(2)
        ]

        assert missing == [asked, judging]
        assert added == [2, 0]
        assert predictions.images_without_evidence(session, project.id, version.id, MEASURED, lately=0) == []
        assert session.scalars(sa.select(PredictionRow.probs)).first() == [0.7, 0.2, 0.1]


def test_of_older_versions_stays_what_chose_an_image_and_what_judges_versions(
    any_database: sa.Engine, make_project: MakeProject
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        chosen, asked, judging = (add_image(session, project, name) for name in "abc")
        query = session.get_one(ReviewRow, add_review(session, project, chosen, ReviewKind.HARD)).query_id
        add_review(session, project, asked, ReviewKind.HARD)
        add_review(session, project, judging, ReviewKind.RANDOM)
        old, new = add_version(session, project, 1), add_version(session, project, 2)
        probs = [0.7, 0.2, 0.1]
        predictions.add_evidence(session, old.id, [(chosen, probs)], NOW, asked_in=query)
        predictions.add_evidence(session, old.id, [(asked, probs), (judging, probs)], NOW)
        predictions.add_evidence(session, new.id, [(image, probs) for image in (chosen, asked, judging)], NOW)

        gone = [predictions.thin(session, project.id, new.id, MEASURED) for _ in range(2)]

        left = session.execute(sa.select(PredictionRow.version_id, PredictionRow.image_id)).all()
        assert gone == [1, 0]
        assert {tuple(row) for row in left} == {
            (old.id, chosen), (old.id, judging), (new.id, chosen), (new.id, asked), (new.id, judging)
        }  # fmt: skip


def test_a_newer_prediction_file_takes_the_place_of_the_older(
    any_database: sa.Engine, make_project: MakeProject
) -> None:
    project = make_project(any_database)
    file = PredictionFile("predictions/1/1/a.safetensors", 10, "a", NOW)
    newer = replace(file, path="predictions/1/1/b.safetensors", rows=12, created_at=NOW + timedelta(hours=1))
    with transaction(any_database) as session:
        version = add_version(session, project, 1)
        none = predictions.prediction_file(session, version.id)
        predictions.keep_prediction_file(session, version.id, file)
        predictions.keep_prediction_file(session, version.id, newer)

    with reading(any_database) as session:
        found = predictions.prediction_file(session, version.id)

    assert (none, found) == (None, newer)

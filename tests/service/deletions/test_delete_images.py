"""Images are deleted for good: from every table and store, with the last holder, over outages and kills."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.repositories.deletions import deletions, tombstones
from db.repositories.people import annotators, audit
from db.repositories.running import failures
from db.session import reading, transaction
from db.tables import (
    AnnotationRow,
    EmbeddingRow,
    GroupRow,
    ImageRow,
    LabelRow,
    LeftoverRow,
    RegistrationRow,
    TombstoneRow,
    VoidRow,
)
from labeling.errors import Invalid, NotFound, Unavailable
from labeling.project import Project
from labeling.types import DeletionKind, Incoming
from service.deletions.orders import lift, order, preview
from service.ingest.register import register_items
from service.work.delete.elsewhere import clear_up
from service.work.delete.rows import remove_rows
from service.work.delete.traces import remove_traces
from service.work.failpoints import BESIDE
from service.work.ingest.ingest import fetch_batch, look
from tests import factories
from tests.factories import NOW
from tests.service.deletions.ground import BY, Died, Ground, dying_at, work
from tests.service.web_client import png

KILLED_AT = tuple(name for name in BESIDE if name.startswith("delete."))


def test_an_image_goes_from_every_table_and_store_and_the_others_stay(ground: Ground) -> None:
    project = ground.project()
    ground.image(project, "stays.png", text="other words")
    before, files = ground.everything(), ground.files()
    image = ground.image(project, "goes.png")

    deletion = ground.delete(project, DeletionKind.IMAGE, image)

    after = ground.everything()
    assert {name for name in after if after[name] != before[name]} == {"deletion", "tombstone", "query", "audit"}
    assert ground.files() == files
    assert ground.parts.embeddings.collect("seeded-encoder", set()) == 2  # those of the image that stays
    assert list(ground.studio.tasks_there) == [1_001]
    assert (deletion.counts, deletion.ended_at) == ({"images": 1, "answers": 1, "labels": 1}, NOW)


def test_a_number_is_never_given_twice(ground: Ground) -> None:
    project = ground.project()
    image = ground.image(project, "goes.png")
    ground.delete(project, DeletionKind.IMAGE, image)

    assert ground.image(project, "new.png") > image


def test_bytes_and_vectors_that_another_project_has_go_with_the_last_holder(ground: Ground) -> None:
    one, other = ground.project("one"), ground.project("other")
    first, second = ground.image(one, "same.png"), ground.image(other, "same.png")

    ground.delete(one, DeletionKind.IMAGE, first)
    held = ground.files(), ground.count(EmbeddingRow)
    ground.delete(other, DeletionKind.IMAGE, second)

    assert held == (["drawings", "originals", "shown", "uploads"], 2)
    assert (ground.files(), ground.count(EmbeddingRow)) == ([], 0)


@pytest.mark.parametrize("name", KILLED_AT)
def test_killed_anywhere_it_goes_on_where_it_was(on_sqlite: Ground, name: str) -> None:
    project = on_sqlite.project()
    image = on_sqlite.image(project, "goes.png")
    on_sqlite.order(project, DeletionKind.IMAGE, image)

    with pytest.raises(Died):
        work(on_sqlite.with_failpoint(dying_at(name)), project)
    work(on_sqlite.parts, project)

    assert (on_sqlite.images(), on_sqlite.files(), on_sqlite.studio.tasks_there) == ([], [], {})
    assert on_sqlite.count(LeftoverRow) == 0
    work(on_sqlite.parts, project)  # and once more, with nothing left to do


def test_an_outage_of_label_studio_is_waited_for_and_keeps_nothing_else(on_sqlite: Ground) -> None:
    project = on_sqlite.project()
    image = on_sqlite.image(project, "goes.png")
    on_sqlite.studio.away = True
    on_sqlite.order(project, DeletionKind.IMAGE, image)

    with pytest.raises(Unavailable, match="everywhere yet"):
        work(on_sqlite.parts, project)
    while_away = on_sqlite.images(), on_sqlite.files(), len(on_sqlite.studio.tasks_there)
    on_sqlite.studio.away = False
    work(on_sqlite.parts, project)

    assert while_away == ([], [], 1)
    assert on_sqlite.studio.tasks_there == {}


def test_what_is_asked_for_while_another_deletion_ends_is_deleted_by_the_next_job(ground: Ground) -> None:
    project = ground.project()
    first, second = ground.image(project, "first.png"), ground.image(project, "second.png")
    ground.order(project, DeletionKind.IMAGE, first)
    while remove_rows(ground.parts, project.id)["left"]:
        continue
    asked = ground.order(project, DeletionKind.IMAGE, second)

    clear_up(ground.parts, project.id)
    ended = remove_traces(ground.parts, project.id)
    with reading(ground.database) as session:
        still_open = [one.id for one in deletions.of_project(session, project.id)]
    work(ground.parts, project)

    assert (ended, still_open) == ({"ended": 1}, [asked.id])
    assert ground.images() == []


def test_what_was_deleted_does_not_come_back_until_a_person_lets_it(ground: Ground) -> None:
    project = ground.project()
    image = ground.image(project, "goes.png")
    deletion = ground.delete(project, DeletionKind.IMAGE, image)
    item = Incoming(reference="goes.png", address="/somewhere/goes.png")

    with transaction(ground.database) as session:
        first = register_items(session, ground.parts.jobs, project, [item], NOW, local=True)
        marks = lift(session, ground.parts.jobs, project, deletion.id, BY)
        second = register_items(session, ground.parts.jobs, project, [item], NOW, local=True)

    assert (first[0].new, second[0].new, marks) == (0, 1, 2)
    [(reference, reason)] = first[1]
    assert reference == "goes.png" and f"hardcase delete lift PROJECT {deletion.id}" in reason


def test_a_tombstone_holds_no_name_and_no_hash_that_others_know(ground: Ground) -> None:
    project = ground.project()
    image = ground.image(project, "goes.png")
    with reading(ground.database) as session:
        content = session.get_one(ImageRow, image).content_hash

    ground.delete(project, DeletionKind.IMAGE, image)

    with reading(ground.database) as session:
        marks = set(session.scalars(sa.select(TombstoneRow.mark)))
        found = tombstones.among(session, project.id, tombstones.CONTENT, [content])
    assert len(marks) == 2 and content not in marks and content in found


def test_a_void_still_covers_the_answers_before_the_one_that_was_deleted(ground: Ground) -> None:
    project = ground.project()
    ground.image(project, "stays.png")
    last = ground.image(project, "goes.png")
    with transaction(ground.database) as session:
        [person] = annotators.everyone(session, project.id)
        annotators.void(session, person.id, BY)

    ground.delete(project, DeletionKind.IMAGE, last)

    with reading(ground.database) as session:
        [void], [answer] = session.scalars(sa.select(VoidRow)), session.scalars(sa.select(AnnotationRow))
    assert void.up_to == answer.id


def test_a_group_keeps_its_place_in_the_stream_under_another_founder_and_goes_when_it_is_empty(ground: Ground) -> None:
    project = ground.project()
    founder, twin = ground.image(project, "founder.png"), ground.image(project, "twin.png")
    with transaction(ground.database) as session:
        group = session.get_one(ImageRow, founder).group_id
        alone = session.get_one(ImageRow, twin).group_id
        session.get_one(ImageRow, twin).group_id = group
        session.execute(sa.delete(GroupRow).where(GroupRow.id == alone))
        position, content = session.get_one(GroupRow, group).position, session.get_one(ImageRow, twin).content_hash

    ground.delete(project, DeletionKind.IMAGE, founder)
    with reading(ground.database) as session:
        [left] = session.scalars(sa.select(GroupRow))
    ground.delete(project, DeletionKind.IMAGE, twin)

    assert (left.id, left.position, left.founder_hash) == (group, position, content)
    assert ground.count(GroupRow) == 0


def test_a_source_goes_with_the_images_that_only_it_has_named(ground: Ground) -> None:
    project = ground.project()
    source, other = ground.source(project, "/photos"), ground.source(project, "/more")
    ground.image(project, "own.png", source=source)
    shared = ground.image(project, "shared.png", source=source)
    elsewhere = ground.image(project, "elsewhere.png", source=other)
    with transaction(ground.database) as session:
        factories.fetch(session, factories.registration(session, project.id, "copy.png"), shared)

    ground.delete(project, DeletionKind.SOURCE, source)

    assert ground.images() == [shared, elsewhere]
    assert ground.count(RegistrationRow, RegistrationRow.source_id == source) == 0
    with reading(ground.database) as session, pytest.raises(NotFound, match="lists them"):
        preview(session, project, DeletionKind.SOURCE, source)


def test_a_source_goes_from_the_audit_log_of_its_own_project_alone(on_sqlite: Ground) -> None:
    one, other = on_sqlite.project("one"), on_sqlite.project("other")
    source, detail = on_sqlite.source(one, "/photos"), {"address": "/photos"}
    with transaction(on_sqlite.database) as session:
        for project in (one, other):
            audit.record(session, "lead", "source.add", project.config.name, detail, NOW, project.id)

    on_sqlite.delete(one, DeletionKind.SOURCE, source)

    with reading(on_sqlite.database) as session:
        found = audit.listing(session, audit.Wanted(what="source.add"), after=None, limit=9).items
    assert [row.detail for row in found] == [detail, {"source": source}]


def test_what_would_go_is_counted_before_and_a_reason_is_needed(ground: Ground) -> None:
    project = ground.project()
    image = ground.image(project, "goes.png")

    with reading(ground.database) as session:
        shown = preview(session, project, DeletionKind.IMAGE, image)
    with transaction(ground.database) as session, pytest.raises(Invalid, match="why"):
        order(session, ground.parts.jobs, project, DeletionKind.IMAGE, image, BY.__class__("lead", " ", NOW))

    assert (shown.images, shown.answers, shown.labels, shown.tasks, shown.measured) == (1, 1, 1, 1, 1)
    assert "random stream" in " ".join(shown.words)
    assert ground.count(LabelRow) == 1


def test_the_same_deletion_twice_is_one(ground: Ground) -> None:
    project = ground.project()
    image = ground.image(project, "goes.png")

    first, second = (ground.order(project, DeletionKind.IMAGE, image) for _ in range(2))

    assert first.id == second.id
    with reading(ground.database) as session:
        assert deletions.projects_with_open(session) == [project.id]


def test_a_source_that_still_lists_it_brings_nothing_back_and_names_nothing(on_sqlite: Ground, tmp_path: Path) -> None:
    project = on_sqlite.project()
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "QUAGGA.png").write_bytes(png("red"))
    source = on_sqlite.source(project, str(folder))
    _ingest(on_sqlite, project)
    [image] = on_sqlite.images()

    on_sqlite.delete(project, DeletionKind.IMAGE, image)
    (folder / "a copy.png").write_bytes(png("red"))
    _ingest(on_sqlite, project, later=True)

    [refused] = _failures(on_sqlite, project)
    assert on_sqlite.images() == []
    assert on_sqlite.count(RegistrationRow) == 1  # the copy, which is refused by its content
    assert "picture that was deleted" in refused
    assert source == 1 and "QUAGGA" not in str(on_sqlite.texts())
    assert not [path for path in (on_sqlite.home / "media").rglob("*") if path.is_file()]


def _ingest(ground: Ground, project: Project, *, later: bool = False) -> None:
    now = NOW + timedelta(days=1) if later else NOW
    parts = replace(ground.parts, now=lambda: now)
    look(parts, project.id)
    fetch_batch(parts, project.id)


def _failures(ground: Ground, project: Project) -> list[str]:
    with reading(ground.database) as session:
        return [one.reason for one in failures.listing(session, project.id)]

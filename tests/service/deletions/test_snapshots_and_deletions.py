"""Snapshots and releases beside deletions: what is verified, released and exported is what is left."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy.orm import Session

from db.repositories.labels import snapshots
from db.repositories.labels.snapshots import Snapshot
from db.repositories.people import audit
from db.session import reading, transaction
from db.tables import LabelRow
from labeling.errors import BadArtifact, Conflict
from labeling.project import Policy, Project, Team
from labeling.types import DeletionKind
from service.deletions.forgetting import forget_person
from service.exporting import registry
from service.exporting.label_set import open_label_set
from service.labels.snapshots import create, rebuild, verify
from service.operations.deep import Damage, Deep, examine_deep
from service.operations.kept import Ground as Places
from service.release.release import Order, release
from service.work.delete.elsewhere import clear_up
from service.work.delete.rows import remove_rows
from tests import factories
from tests.factories import NOW
from tests.service.deletions.ground import Ground, before_commit, work
from tests.service.web_client import png

NAME = "ann@example.com"
ORDER = Order("v1", "lead", "for a test", NOW)


@pytest.fixture
def project(on_sqlite: Ground) -> Project:
    """A project with names in exports, and three labelled images that can be shown."""
    with transaction(on_sqlite.database) as session:
        made = factories.project(session, policy=Policy(team=Team(names_in_exports=True)))
        factories.label_studio_project(session, made.id)
    for name in ("one.png", "two.png", "three.png"):
        on_sqlite.image(made, name, text=name)
    for image in list((on_sqlite.home / "media/shown").rglob("*.png")):
        on_sqlite.parts.images.keep(image.name.split(".")[0], png("red"), "image/png", None)
    return made


def snapshot_of(ground: Ground, project: Project) -> Snapshot:
    with reading(ground.database) as session:
        return snapshots.by_name(session, project.id, "v1")


def frozen(ground: Ground, project: Project) -> Snapshot:
    return create(ground.database, ground.home, project, "v1", author="lead", note="", now=NOW)


def released(ground: Ground, project: Project, tick: Callable[[], None] = lambda: None) -> Snapshot:
    return release(ground.database, ground.home, ground.parts.images, project, ORDER, tick)


def manifest_of(ground: Ground, project: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_folder(ground, project) / "manifest.json").read_text())
    return found


def test_a_snapshot_with_withdrawals_is_released_as_what_is_left_of_it(on_sqlite: Ground, project: Project) -> None:
    before = frozen(on_sqlite, project)
    on_sqlite.delete(project, DeletionKind.IMAGE, 1)

    made = released(on_sqlite, project)

    with reading(on_sqlite.database) as session:
        [row] = audit.listing(session, audit.Wanted(what="snapshot.release"), after=None, limit=9).items
    figures = json.loads((_folder(on_sqlite, project) / "figures.json").read_text())["snapshot"]
    assert (made.hash, made.labels, made.left) == (before.hash, 3, 2)
    assert (row.detail["hash"], row.detail["labels"]) == (made.state, 2)
    assert (figures["hash"], figures["labels"]) == (made.state, 2)
    assert manifest_of(on_sqlite, project)["labels_hash"] == made.state != before.hash


def test_a_release_says_of_later_deletions_what_went_since_it_was_made(on_sqlite: Ground, project: Project) -> None:
    frozen(on_sqlite, project)
    on_sqlite.delete(project, DeletionKind.IMAGE, 1)
    first = released(on_sqlite, project)

    on_sqlite.delete(project, DeletionKind.IMAGE, 2)

    manifest, now = manifest_of(on_sqlite, project), snapshot_of(on_sqlite, project)
    assert (manifest["labels_hash"], manifest["withdrawn"]["labels_hash"]) == (first.state, now.state)
    assert (manifest["withdrawn"]["labels"], now.withdrawn) == (1, 2)
    assert "1 of these labels" in (_folder(on_sqlite, project) / "index.html").read_text()
    assert pq.read_table(_folder(on_sqlite, project) / "labels.parquet").num_rows == 1


def test_an_export_of_a_snapshot_with_withdrawals_names_what_is_left(on_sqlite: Ground, project: Project) -> None:
    frozen(on_sqlite, project)
    on_sqlite.delete(project, DeletionKind.IMAGE, 1)
    kept, images = snapshot_of(on_sqlite, project), on_sqlite.parts.images

    for name in ("coco", "huggingface", "parquet"):
        labels = open_label_set(on_sqlite.database, project, images, kept, lambda: None)
        registry.export(labels, on_sqlite.home / name, registry.format_for(on_sqlite.home, name))

    said = [path.read_text() for path in (on_sqlite.home / "coco").rglob("*.json")]
    said.append((on_sqlite.home / "huggingface/README.md").read_text())
    said.append(str(pq.read_schema(on_sqlite.home / "parquet").metadata))
    assert {(kept.state in one, kept.hash in one) for one in said} == {(True, False)}


def test_a_snapshot_that_is_made_while_labels_go_is_refused_and_made_again(on_sqlite: Ground, project: Project) -> None:
    deletion = on_sqlite.order(project, DeletionKind.IMAGE, 1)

    def is_written(_session: Session) -> bool:
        return bool(list((on_sqlite.home / "snapshots").rglob("*.tmp")))

    with (
        before_commit(is_written, lambda: remove_rows(on_sqlite.parts, project.id)),
        pytest.raises(Conflict, match="Freeze them again"),
    ):
        frozen(on_sqlite, project)
    work(on_sqlite.parts, project)
    made = frozen(on_sqlite, project)

    assert deletion.ended_at is None
    assert (made.labels, made.withdrawn) == (2, 0)
    assert verify(on_sqlite.database, on_sqlite.home, project, made) == made


@pytest.mark.parametrize("deed", [verify, rebuild, released])
def test_a_snapshot_whose_labels_are_being_deleted_is_not_called_damaged(
    on_sqlite: Ground, project: Project, deed: Callable[..., Snapshot]
) -> None:
    kept = frozen(on_sqlite, project)
    on_sqlite.order(project, DeletionKind.IMAGE, 1)
    remove_rows(on_sqlite.parts, project.id)
    asked = (on_sqlite, project) if deed is released else (on_sqlite.database, on_sqlite.home, project, kept)

    with pytest.raises(Conflict, match="hardcase delete list"):
        deed(*asked)
    damages = _examined(on_sqlite)
    clear_up(on_sqlite.parts, project.id)
    done = deed(*asked)  # with the snapshot as it was read before

    assert (damages, _examined(on_sqlite)) == ([], [])
    assert (done.state, done.left) == (snapshot_of(on_sqlite, project).state, 2)


def test_labels_that_are_gone_without_a_deletion_are_still_called_damage(on_sqlite: Ground, project: Project) -> None:
    kept = frozen(on_sqlite, project)
    on_sqlite.delete(project, DeletionKind.IMAGE, 1)
    with transaction(on_sqlite.database) as session:
        session.query(LabelRow).filter(LabelRow.image_id == 2).update({"value": "dog"})

    with pytest.raises(BadArtifact, match="Restore the database"):
        verify(on_sqlite.database, on_sqlite.home, project, kept)
    assert [one.kind for one in _examined(on_sqlite)] == ["snapshot"]


@pytest.mark.parametrize("kind", [DeletionKind.IMAGE, DeletionKind.ANNOTATOR])
def test_what_is_deleted_while_labels_are_released_is_in_no_release(
    on_sqlite: Ground, project: Project, kind: DeletionKind
) -> None:
    passes: list[int] = []

    def delete_it() -> None:
        if len(passes) == 2:  # two of three records are written, with what goes now
            on_sqlite.order(project, kind, 1)
            while remove_rows(on_sqlite.parts, project.id)["left"]:
                continue
            clear_up(on_sqlite.parts, project.id)
        passes.append(1)

    with pytest.raises(Conflict, match="Release them again"):
        released(on_sqlite, project, delete_it)
    nothing = _folder(on_sqlite, project).exists()
    made = released(on_sqlite, project)

    assert not nothing
    assert made.left == (2 if kind is DeletionKind.IMAGE else 3)
    rows = str(pq.read_table(_folder(on_sqlite, project) / "labels.parquet").to_pylist())
    assert (NAME in rows) == (kind is DeletionKind.IMAGE)


def test_a_release_that_is_made_while_a_name_goes_loses_it_too(on_sqlite: Ground, project: Project) -> None:
    class Logs(list[Path]):
        """The logs, which are asked for after the releases were looked at."""

        def __iter__(self) -> Any:
            if not snapshots_there():
                released(on_sqlite, project)
            return super().__iter__()

    def snapshots_there() -> bool:
        with reading(on_sqlite.database) as session:
            return bool(snapshots.ids(session, project.id))

    deletion = on_sqlite.order(project, DeletionKind.ANNOTATOR, 1)
    parts = on_sqlite.parts
    forget_person(parts.database, parts.settings.home, parts.images, project, deletion, Logs())
    work(parts, project)

    rows = str(pq.read_table(_folder(on_sqlite, project) / "labels.parquet").to_pylist())
    assert NAME not in rows and "deleted annotator 1" in rows


def _folder(ground: Ground, project: Project) -> Path:
    return ground.home / "releases" / str(project.id) / "v1"


def _examined(ground: Ground) -> list[Damage]:
    """What a deep look finds wrong with snapshots and releases."""
    places, found = Places(ground.parts.settings, ground.database), Deep()
    examine_deep(places, found, repair=False)
    return [one for one in found.damages if one.kind in ("snapshot", "release")]

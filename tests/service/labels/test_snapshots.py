"""A snapshot is a frozen state: the same labels give the same hash, and a file that was touched is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from db.repositories.labels import snapshots
from db.repositories.labels.snapshots import NewSnapshot, Snapshot
from db.session import reading, transaction
from db.tables import LabelRow, SnapshotRow
from labeling.errors import BadArtifact, Conflict, Invalid, NotFound
from labeling.project import Project
from service.labels.snapshots import compare_states, create, entries, rebuild, verify
from tests.conftest import NOW
from tests.service.exporting_ground import Ground
from tests.service.web_client import bearer, make_key, web


@pytest.fixture
def ground(database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path) -> Ground:
    return Ground(database, make_project(database), tmp_path)


def freeze(ground: Ground, name: str = "v1") -> Snapshot:
    return create(ground.database, ground.home, ground.project, name, author="anna", note="", now=NOW)


def label_some(ground: Ground, numbers: list[int]) -> None:
    """Every third image answered by two people, every third imported, every third decided by a lead."""
    for number in numbers:
        image = ground.image(number, stored=False)
        if number % 3 == 0:
            ground.answered(image, {"anna": "cat", "ben": "dog" if number % 2 else "cat"}, "cat")
        elif number % 3 == 1:
            ground.label(image, "bird")
        else:
            ground.decided(image, "dog", "lena")


def leftovers(home: Path) -> list[str]:
    return [path.name for path in home.rglob("*.tmp")]


def test_the_file_holds_the_labels_in_the_order_of_content_hashes(ground: Ground) -> None:
    label_some(ground, [0, 1, 2, 3])
    withdrawn = ground.image(9, stored=False)
    ground.label(withdrawn, "cat")
    ground.label(withdrawn, None)

    kept = freeze(ground)

    lines = [json.loads(line) for line in (ground.home / kept.path).read_bytes().splitlines()]
    assert kept.labels == 4
    assert [line["content_hash"] for line in lines] == sorted(line["content_hash"] for line in lines)
    assert {(line["label"], line["decided"], str(line["answers"])) for line in lines} == {
        ("cat", "", "{'cat': 2}"),
        ("cat", "", "{'cat': 1, 'dog': 1}"),
        ("bird", "", "{}"),
        ("dog", "correction", "{}"),
    }


def test_the_same_labels_give_the_same_hash_in_another_order_and_another_database(
    database: sa.Engine, postgres: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    here = Ground(database, make_project(database), tmp_path / "here")
    make_project(postgres, name="something before it")
    there = Ground(postgres, make_project(postgres), tmp_path / "there")

    label_some(here, list(range(12)))
    label_some(there, list(reversed(range(12))))

    assert freeze(here).hash == freeze(there).hash


def test_a_name_that_is_taken_is_joined_by_the_same_labels_and_refused_to_others(ground: Ground) -> None:
    label_some(ground, [0, 1])
    first = freeze(ground)

    again = freeze(ground)
    ground.label(ground.image(7, stored=False), "cat")

    assert again == first
    with pytest.raises(Conflict, match="of other labels"):
        freeze(ground)
    assert leftovers(ground.home) == []
    verify(ground.database, ground.home, ground.project, first)


def test_labels_that_come_later_change_nothing_in_a_snapshot(ground: Ground) -> None:
    image = ground.image(1, stored=False)
    ground.label(image, "cat")
    kept = freeze(ground)

    ground.label(image, "dog")

    assert [entry.label for entry in entries(ground.home, kept)] == ["cat"]
    verify(ground.database, ground.home, ground.project, kept)
    found = compare_states(ground.database, ground.home, ground.project, kept, None)
    assert found.counts == [("cat", "dog", 1)]


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_a_file_that_was_touched_is_refused_and_written_again_from_the_labels(ground: Ground, harm: str) -> None:
    label_some(ground, [0, 1, 2])
    kept = freeze(ground)
    path = ground.home / kept.path
    before = path.read_bytes()

    path.write_bytes(before.replace(b"bird", b"cat ")) if harm == "changed" else path.unlink()

    with pytest.raises(BadArtifact, match=r"'v1'.*--rebuild"):
        list(entries(ground.home, kept))
    rebuild(ground.database, ground.home, ground.project, kept)
    assert path.read_bytes() == before


def test_labels_that_no_longer_give_the_hash_are_found(ground: Ground) -> None:
    label_some(ground, [0, 1, 2])
    kept = freeze(ground)
    with transaction(ground.database) as session:
        session.execute(sa.update(LabelRow).values(value="dog"))

    with pytest.raises(BadArtifact, match="Restore the database"):
        verify(ground.database, ground.home, ground.project, kept)
    with pytest.raises(BadArtifact):
        rebuild(ground.database, ground.home, ground.project, kept)
    assert len(list(entries(ground.home, kept))) == 3


def test_what_a_killed_run_left_behind_is_no_snapshot_and_does_no_harm(ground: Ground) -> None:
    label_some(ground, [0, 1])
    folder = ground.home / "snapshots" / str(ground.project.id)
    folder.mkdir(parents=True)
    (folder / "v1.jsonl").write_bytes(b"moved there, and killed before its row was written\n")

    kept = freeze(ground)

    assert len(list(entries(ground.home, kept))) == 2


def test_two_snapshots_and_two_projects_are_kept_apart(
    ground: Ground, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    label_some(ground, [0, 1])
    other = Ground(ground.database, make_project(ground.database, name="beasts"), tmp_path)
    other.label(other.image(50, stored=False), "cat")

    first, second = freeze(ground), freeze(other)

    assert (first.labels, second.labels) == (2, 1)
    with reading(ground.database) as session:
        assert snapshots.listing(session, other.project.id, after=None, limit=9).items == [second]
        with pytest.raises(NotFound):
            snapshots.by_name(session, other.project.id, "v2")


@pytest.mark.parametrize("name", ["", "../v1", "a/b", ".hidden", "V1", "v 1", "x" * 65, "v1\n", "ｖ１"])
def test_a_name_that_is_no_file_name_is_refused(ground: Ground, name: str) -> None:
    with pytest.raises(Invalid, match="small letters"):
        freeze(ground, name)
    assert not (ground.home / "snapshots").exists()


def test_a_home_that_cannot_be_written_is_explained(ground: Ground) -> None:
    (ground.home / "snapshots").write_text("a file in the way")

    with pytest.raises(Invalid, match="cannot be written"):
        freeze(ground)


def test_adding_and_releasing_twice_happen_once(any_database: sa.Engine, make_project: Callable[..., Project]) -> None:
    project = make_project(any_database)
    new = NewSnapshot("v1", 3, 2, "00", "snapshots/1/v1.jsonl", "anna", "")

    with transaction(any_database) as session:
        added = [snapshots.add(session, project.id, new, NOW) for _ in range(2)]
        kept = snapshots.by_name(session, project.id, "v1")
        released = [snapshots.release(session, kept.id, {"author": author}) for author in ("anna", "ben")]

    assert (added, released) == ([True, False], [True, False])
    with reading(any_database) as session:
        assert session.scalars(sa.select(SnapshotRow.report)).all() == [{"author": "anna"}]
        assert snapshots.newest_release(session, project.id) is not None
        assert snapshots.newest_release(session, project.id, before=kept.id) is None


def test_the_api_freezes_lists_shows_and_compares(ground: Ground) -> None:
    label_some(ground, [0, 1, 2])
    path = "/api/projects/animals/snapshots"
    with web(ground.database, ground.home) as client:
        client.headers.update(bearer(make_key(ground.database)))

        made = client.post(path, json={"name": "v1", "note": "first"})
        ground.label(ground.image(8, stored=False), "cat")
        second = client.post(path, json={"name": "v2"})
        taken, bad = client.post(path, json={"name": "v1"}), client.post(path, json={"name": "../v1"})
        listed = client.get(path, params={"limit": 1})

        assert (made.status_code, second.status_code, taken.status_code, bad.status_code) == (201, 201, 409, 422)
        assert [item["name"] for item in listed.json()["items"]] == ["v2"]
        assert client.get(f"{path}/v1").json() == made.json()
        assert _changes(client, f"{path}/v1/changes") == _changes(client, f"{path}/v1/changes?to=v2")
        assert client.get(f"{path}/v1/changes?to=nothing").status_code == 404
        assert client.get("/api/projects/animals/releases/v1").status_code == 404


def _changes(client: TestClient, path: str) -> object:
    found = client.get(path).json()
    assert (found["added"], found["same"], found["moves"]) == (1, 3, [{"before": None, "after": "cat", "images": 1}])
    return found

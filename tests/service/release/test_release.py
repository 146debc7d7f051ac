"""A release is a snapshot with a name on it: one page that holds everything, runs nothing and never changes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from db.repositories.labels import snapshots
from db.repositories.labels.snapshots import Snapshot
from db.session import reading, transaction
from db.tables import FigureRow
from labeling.errors import BadArtifact, Conflict, Invalid, NotFound
from labeling.jobs import Role
from labeling.project import Project
from service.labels.snapshots import create
from service.release.files import FIGURES, LABELS, MANIFEST, PAGE, folder_of, read_file
from service.release.release import Order, release
from tests.conftest import NOW
from tests.service.exporting_ground import Ground
from tests.service.release_figures import HIDDEN, store_figures
from tests.service.web.test_authorisation import log_in
from tests.service.web_client import bearer, make_key, web

HOSTILE = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>"


class Tags(HTMLParser):
    """Every tag of a page with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def ground(database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path) -> Ground:
    ground = Ground(database, make_project(database), tmp_path)
    label_cats(ground, range(4))
    ground.answered(ground.image(40, reserved=True), {"anna": "dog"}, kind="random")
    ground.label(ground.image(41), "dog", "gold")
    return ground


def label_cats(ground: Ground, numbers: Iterable[int]) -> None:
    """On all but the first two people agreed."""
    for number in numbers:
        answers = {"anna": "cat", "ben": "dog" if number == 0 else "cat"}
        ground.answered(ground.image(number), answers, "cat")


def make(ground: Ground, name: str = "v1", note: str = "For internal use.") -> Snapshot:
    return release(ground.database, ground.home, ground.images, ground.project, Order(name, "lena", note, NOW))


def page_of(ground: Ground, made: Snapshot) -> str:
    return read_file(ground.home, ground.project, made, PAGE).decode()


def figures_of(ground: Ground, made: Snapshot) -> dict[str, object]:
    found: dict[str, object] = json.loads(read_file(ground.home, ground.project, made, FIGURES))
    return found


def test_a_release_holds_page_figures_labels_and_a_manifest_of_their_hashes(ground: Ground) -> None:
    made = make(ground)

    folder = folder_of(ground.home, ground.project, "v1")
    manifest = json.loads((folder / MANIFEST).read_text())
    assert (made.released, made.report["author"], made.labels) == (True, "lena", 6)
    assert {path.name for path in folder.iterdir()} == {PAGE, FIGURES, LABELS, MANIFEST}
    assert manifest["labels_hash"] == made.hash
    for name, found in manifest["files"].items():
        data = (folder / name).read_bytes()
        assert found == {"sha256": sha256(data).hexdigest(), "bytes": len(data)}
        assert made.report["files"][name] == found["sha256"]
    assert pq.read_table(folder / LABELS).num_rows == 6


def test_the_page_says_who_when_what_and_what_is_not_known(ground: Ground) -> None:
    label_cats(ground, range(4, 34))

    made = make(ground)

    text = re.sub(r"\s+", " ", page_of(ground, made))

    assert "Released by <strong>lena</strong> on 2026-11-21 12:00 UTC" in text
    assert "For internal use." in text
    assert made.hash in text
    assert "This is the first release." in text
    assert text.count("the worker had not computed it") == 3
    assert "suspected labels were not searched for yet" in text
    assert "97.1 % (84.7 % to 99.9 %)" in text  # 33 of 34 cats on which both agreed
    assert text.count("data:image/jpeg;base64,") == 6  # four cats, both dogs


def test_figures_are_counted_from_the_labels_of_the_snapshot_itself(ground: Ground) -> None:
    create(ground.database, ground.home, ground.project, "v1", author="anna", note="", now=NOW)
    ground.label(ground.image(70), "bird")

    made = make(ground)

    figures = figures_of(ground, made)
    classes = {row["label"]: row for row in figures["classes"]}  # type: ignore[attr-defined]
    assert (made.author, made.report["author"]) == ("anna", "lena")
    assert [classes[name]["labels"] for name in ("cat", "dog", "bird")] == [4, 2, 0]
    assert (classes["dog"]["train"], classes["dog"]["test"], classes["dog"]["other"]) == (0, 1, 1)
    assert figures["snapshot"]["labels_since"] == 1  # type: ignore[index]
    assert "1 labels were set or changed" in page_of(ground, made)


def test_the_workers_figures_are_frozen_without_names_and_their_age_is_said(ground: Ground) -> None:
    store_figures(ground.database, ground.project, NOW + timedelta(hours=1))
    fresh = make(ground, "fresh")
    store_figures(ground.database, ground.project, NOW - timedelta(hours=1))

    stale = make(ground, "stale")

    text = page_of(ground, fresh)
    assert "0.85 (0.80 to 0.89)" in text
    assert "<strong>83.0 %</strong>" in text
    assert "75.0 % to 89.0 %, on 51" in text
    assert "90.0 % (76.3 % to 97.2 %)" in text  # 36 of 40 cats of the random stream
    assert "Not yet: some criteria are missed." in text
    assert '<td class="n">2</td><td class="n">at most 0</td><td class="bad">missed</td>' in text
    assert '<td class="n">not yet known (3)</td><td class="n">at least 0.67</td>' in text
    assert "before the newest answer:" not in text
    assert "<strong>4.0 % (2.0 % to 9.0 %)</strong>, of 400 labels" in text and "6 were found wrong, of which 5" in text
    assert page_of(ground, stale).count("before the newest answer:") == 4
    assert HIDDEN not in text
    assert HIDDEN not in read_file(ground.home, ground.project, fresh, FIGURES).decode()


def test_nothing_is_released_while_figures_of_another_form_are_computed_again(ground: Ground) -> None:
    store_figures(ground.database, ground.project, NOW)
    with transaction(ground.database) as session:
        session.execute(sa.update(FigureRow).values(data={"version": "of another worker"}))

    with pytest.raises(
        Conflict, match="after an update: accuracy_by_version, agreement, confusion, .*Release again in a minute"
    ):
        make(ground)

    store_figures(ground.database, ground.project, NOW)
    assert "83.0 %" in page_of(ground, make(ground))


def test_figures_that_were_never_computed_are_left_out(ground: Ground) -> None:
    made = make(ground)

    computed = figures_of(ground, made)["computed"]
    assert isinstance(computed, dict)
    assert set(computed.values()) == {None}
    assert page_of(ground, made).count("not yet known</strong>") == 2


def test_the_next_release_says_what_changed_since(ground: Ground) -> None:
    make(ground)
    ground.label(ground.image(80), "bird")
    ground.decided(1, "dog", "lena")

    second = make(ground, "v2")

    since = figures_of(ground, second)["since"]
    assert isinstance(since, dict)
    assert (since["release"], since["added"], since["changed"], since["same"]) == ("v1", 1, 1, 5)
    assert {"before": "cat", "after": "dog", "images": 1} in since["moves"]


def test_a_release_is_made_once(ground: Ground) -> None:
    made = make(ground)
    before = page_of(ground, made)

    with pytest.raises(Conflict, match="released already"):
        make(ground, note="another note")

    assert page_of(ground, made) == before
    assert not list((ground.home / "releases").rglob("*.tmp"))


def test_what_a_killed_run_left_behind_is_no_release_and_does_no_harm(ground: Ground) -> None:
    folder = folder_of(ground.home, ground.project, "v1")
    folder.mkdir(parents=True)
    (folder / PAGE).write_text("moved there, and killed before it was written down")
    kept = create(ground.database, ground.home, ground.project, "v1", author="anna", note="", now=NOW)

    with pytest.raises(NotFound):
        read_file(ground.home, ground.project, kept, PAGE)
    made = make(ground)

    assert "Released by" in page_of(ground, made)


def test_a_file_that_was_touched_is_not_shown(ground: Ground) -> None:
    made = make(ground)

    for name in (PAGE, FIGURES, LABELS, MANIFEST):
        path = folder_of(ground.home, ground.project, "v1") / name
        path.write_bytes(path.read_bytes() + b" ")

        with pytest.raises(BadArtifact, match="was changed"):
            read_file(ground.home, ground.project, made, name)


def test_a_release_that_fails_is_none_and_can_be_made_again(ground: Ground) -> None:
    (ground.home / "releases").write_text("a file in the way")

    with pytest.raises(Invalid, match="cannot be written"):
        make(ground)
    (ground.home / "releases").unlink()

    with reading(ground.database) as session:
        assert snapshots.newest_release(session, ground.project.id) is None
    assert make(ground).released


def test_the_page_runs_and_fetches_nothing_whatever_names_say(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    classes = (HOSTILE, "javascript:alert(3)")
    ground = Ground(database, make_project(database, name=f"p {HOSTILE}", classes=classes), tmp_path)
    ground.label(ground.image(1), HOSTILE)

    made = release(database, tmp_path, ground.images, ground.project, Order("v1", HOSTILE, HOSTILE, NOW))

    tags = Tags()
    tags.feed(page_of(ground, made))
    addresses = [value for _, attributes in tags.found for name, value in attributes.items() if name in ("src", "href")]
    assert {tag for tag, _ in tags.found} & {"script", "iframe", "object", "form", "svg", "embed"} == set()
    assert not [name for _, attributes in tags.found for name in attributes if name.startswith("on")]
    assert all(str(address).startswith("data:") for address in addresses)
    assert len(addresses) == 2


def test_a_release_of_no_labels_is_a_page_too(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    empty = Ground(database, make_project(database), tmp_path)

    made = make(empty, note="")

    assert "There is no note" in page_of(empty, made)


def test_pages_and_api_show_releases_to_those_who_may_look(ground: Ground) -> None:
    make(ground)
    create(ground.database, ground.home, ground.project, "only-frozen", author="anna", note="", now=NOW)
    with web(ground.database, ground.home) as client:
        key = make_key(ground.database, Role.READ)
        log_in(client, key)
        listed = client.get(f"/projects/{ground.project.id}/releases")
        shown = client.get("/projects/animals/releases/v1")
        others = ("only-frozen", "no", "%2e%2e")
        missing = [client.get(f"/projects/animals/releases/{name}").status_code for name in others]
        client.cookies.clear()
        found = client.get("/api/projects/animals/releases/v1", headers=bearer(key)).json()

    assert f'href="/projects/{ground.project.id}/releases/v1"' in listed.text
    assert "only-frozen" in listed.text
    assert shown.text == page_of(ground, found_snapshot(ground))
    assert "script-src" not in shown.headers["content-security-policy"]
    assert "default-src 'none'; style-src 'unsafe-inline'" in shown.headers["content-security-policy"]
    assert missing == [404, 404, 404]
    assert (found["released_by"], found["note"]) == ("lena", "For internal use.")
    assert found["figures"]["classes"][0]["labels"] == 4
    assert found["files"][PAGE] == sha256(shown.content).hexdigest()


def found_snapshot(ground: Ground) -> Snapshot:
    with reading(ground.database) as session:
        return snapshots.by_name(session, ground.project.id, "v1")

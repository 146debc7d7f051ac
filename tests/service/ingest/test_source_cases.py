"""Folders and sources as people have them: odd names, folders that may not be read, disks that are away.

The letters and numbers in names and docstrings are those of the cases that people reported.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from db.repositories.running import failures
from db.session import reading, transaction
from db.tables import ImageRow, LabelRow, RegistrationGoneRow, RegistrationRow
from labeling.adapters.sources.folders import Unread, find_images
from labeling.project import Project
from service.ingest.register import add_source
from service.work.ingest.ingest import fetch_batch, look
from tests.conftest import NOW
from tests.service.ingest.test_ingest_steps import World, picture, world, write

__all__ = ["world"]


def listed(world: World, step: str) -> dict[str, str]:
    """The failures of a step, by what they are called after their number."""
    with reading(world.parts.database) as session:
        found = failures.listing(session, world.project.id, step)
    return {one.subject.partition(":")[2]: one.reason for one in found}


def watch(world: World, path: Path) -> None:
    with transaction(world.parts.database) as session:
        add_source(session, world.parts.jobs, world.project, str(path), NOW)


def look_again(world: World) -> dict[str, int]:
    world.clock.at += timedelta(hours=1)
    return look(world.parts, world.project.id)


def with_labels(world: World, make_project: Callable[..., Project], *labels: str) -> World:
    project = make_project(world.parts.database, name="labels", classes=labels)
    return replace(world, project=project)


def locked(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    """Make listing these folders fail as it does where the service has no right to."""
    of_system = LocalFileSystem.ls

    def ls(self: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        if any(str(path).rstrip("/") == str(folder) for folder in folders):
            raise PermissionError(13, "Permission denied")
        return of_system(self, path, *args, **kwargs)

    monkeypatch.setattr(LocalFileSystem, "ls", ls)


def test_b02_a_manifest_with_a_bad_byte_does_not_stop_the_other_sources(world: World) -> None:
    """B02: the job ended in ERROR at every look, and a good folder was not fetched."""
    manifest = write(world.photos.parent / "m" / "m.csv", b"image,label,by\na.png,cat,M\xfcller\nb.png,dog,x\n")
    write(manifest.parent / "b.png", picture(1))
    write(world.photos / "good.png", picture(2))
    watch(world, manifest)
    watch(world, world.photos)

    assert look(world.parts, world.project.id) == {"new": 2, "changed": 0, "gone": 0}
    assert world.fetch()["done"] == 2
    assert list(listed(world, "register")) == ["m.csv line 2"] and "UTF-8" in listed(world, "register")["m.csv line 2"]


def test_a_line_that_was_mended_is_not_listed_any_more_and_one_that_was_not_is_not_counted_again(world: World) -> None:
    manifest = write(world.photos / "m.csv", b"image,label\na.png,cat\nb.png,fish\nc.png,bird,x\n")
    watch(world, manifest)
    look(world.parts, world.project.id)
    look_again(world)
    with reading(world.parts.database) as session:
        counts = {one.count for one in failures.listing(session, world.project.id, "register")}

    manifest.write_bytes(b"image,label\na.png,cat\nb.png,dog\nc.png,bird,x\n")
    look_again(world)

    assert counts == {1}
    assert list(listed(world, "register")) == ["m.csv line 4"]


def test_while_a_line_cannot_be_used_nothing_of_the_manifest_counts_as_gone(world: World) -> None:
    """B67, sibling: an image whose line was damaged is not gone."""
    manifest = write(world.photos / "m.csv", b"image,by\na.png,x\nb.png,y\n")
    watch(world, manifest)
    look(world.parts, world.project.id)

    for damaged in (b"image,by\na.png,M\xfcller\n", b"file,by\na.png,x\n", b"image,by\n", b""):
        manifest.write_bytes(damaged)
        assert look_again(world)["gone"] == 0
        assert listed(world, "register")
    manifest.write_bytes(b"image,by\na.png,x\n")

    assert look_again(world)["gone"] == 1
    assert listed(world, "register") == {}


def test_two_sources_that_name_the_same_image_do_not_change_it_for_ever(world: World) -> None:
    """B06, B08, sibling: two manifests with another line each, and the folder that the images lie in."""
    write(world.photos / "a.png", picture(1))
    for name, label in (("one.csv", "cat"), ("two.csv", "dog")):
        watch(world, write(world.photos / name, f"image,label\na.png,{label}\n".encode()))
    watch(world, world.photos)
    look(world.parts, world.project.id)
    registered = world.count(RegistrationRow)

    assert [look_again(world) for _ in range(3)] == [{"new": 0, "changed": 0, "gone": 0}] * 3
    assert world.count(RegistrationRow) == registered
    world.fetch()
    (reason,) = listed(world, "contradiction").values()
    assert "'cat'" in reason and "'dog'" in reason


def test_b08_labels_and_texts_that_contradict_are_listed_when_equal_bytes_have_two_names(world: World) -> None:
    """B06, B08, sibling: what came second was nowhere."""
    for name in ("a.png", "b.png", "c.png"):
        write(world.photos / name, picture(1))
    write(world.photos / "m.csv", b"image,label,text\na.png,cat,one\nb.png,dog,one\nc.png,cat,two\n")
    world.ingesting.path(world.project, str(world.photos / "m.csv"))

    world.fetch()

    found = {Path(name).name: reason for name, reason in listed(world, "contradiction").items()}
    assert [row.value for row in world.all(LabelRow)] == ["cat"]
    assert set(found) == {"b.png", "c.png"}
    assert "'dog'" in found["b.png"] and "'cat'" in found["b.png"] and "text" in found["c.png"]


@pytest.mark.parametrize(
    ("folder", "label"),
    [
        (unicodedata.normalize("NFD", "Käfer"), "Käfer"),
        ("Käfer", "Käfer"),
        ("hot  dog", "hot dog"),
        (" hot dog ", "hot dog"),
        ("Hot Dog", "hot dog"),
        ("KÄFER", "Käfer"),
        ("\u200fKäfer", "Käfer"),
        ("\u062e\u0627\u0646\u0647\u200c\u0647\u0627", "\u062e\u0627\u0646\u0647\u200c\u0647\u0627"),
    ],
)
def test_b11_a_class_folder_is_its_class_in_every_way_of_writing(
    world: World, make_project: Callable[..., Project], folder: str, label: str
) -> None:
    """B11: folders that macOS decomposed, double spaces, case, joiners."""
    world = with_labels(world, make_project, "Hund", "Käfer", "hot dog", "\u062e\u0627\u0646\u0647\u200c\u0647\u0627")
    write(world.photos / folder / "1.png", picture(1))

    result = replace(world.ingesting, label_from_folder=True).path(world.project, str(world.photos))
    fetch_batch(world.parts, world.project.id)

    assert (result.new, result.refused) == (1, [])
    assert [row.value for row in world.all(LabelRow)] == [label]


def test_b11_a_manifest_finds_a_file_whose_name_is_there_in_another_normal_form(world: World) -> None:
    """B11, sibling: names typed on Windows, files copied from a Mac, and the other way round."""
    write(world.photos / unicodedata.normalize("NFD", "Käfer") / unicodedata.normalize("NFC", "Öl.png"), picture(1))
    write(world.photos / unicodedata.normalize("NFC", "ä.png"), picture(2))
    write(
        world.photos / "m.csv",
        "image\nKäfer/{}\n{}\n".format(*[unicodedata.normalize("NFD", n) for n in ("Öl.png", "ä.png")]).encode(),
    )

    world.ingesting.path(world.project, str(world.photos / "m.csv"))

    assert world.fetch() == {"done": 2, "failed": 0, "left": 0}


def test_b11_files_whose_names_differ_in_their_form_alone_all_come_and_twice_changes_nothing(world: World) -> None:
    for number, name in enumerate(("K\u00e4fer.png", "Ka\u0308fer.png", "a\u200eb.png", "ab.png")):
        write(world.photos / name, picture(number))
    for number, folder in enumerate(("o\u0308", "\u00f6")):
        write(world.photos / folder / "1.png", picture(10 + number))

    first = world.ingesting.path(world.project, str(world.photos))
    again = world.ingesting.path(world.project, str(world.photos))
    world.fetch()

    assert (first.new, again.new, again.changed, again.same) == (6, 0, 0, 6)
    assert world.count(ImageRow) == 6
    assert all(unicodedata.is_normalized("NFC", row.reference) for row in world.all(RegistrationRow))


ODD_NAMES = [
    "12::30::05.png",
    "a::b.png",
    "[1]*?.png",
    "a#b%20c+d&e.png",
    "file:x.png",
    "s3:x.png",
    "~tmp.png",
    "a\\b.png",
    "-x.png",
    " a .png",
]


@pytest.mark.parametrize("folder", ["", "sub::dir", "[a-b]", "x {y}", "zip::z"])
def test_b16_a_name_is_a_name_whatever_stands_in_it(world: World, folder: str) -> None:
    """B16: names with `::` were registered and then quarantined as not there."""
    for number, name in enumerate(ODD_NAMES):
        write(world.photos / folder / name, picture(number))
    write(world.photos / folder / "a::b.txt", b"words")

    result = world.ingesting.path(world.project, str(world.photos / folder))
    world.fetch()

    assert (result.found, result.refused) == (len(ODD_NAMES), [])
    assert world.quarantine() == {}
    assert world.count(ImageRow) == len(ODD_NAMES)
    assert [row.text for row in world.all(ImageRow) if row.text] == ["words"]


def test_b16_manifests_and_archives_too(world: World) -> None:
    write(world.photos / "x::y" / "a::b.png", picture(1))
    manifest = write(world.photos / "x::y" / "[m]::1.csv", b"image\na::b.png\n")

    world.ingesting.path(world.project, str(manifest))

    assert world.fetch() == {"done": 1, "failed": 0, "left": 0}


@pytest.mark.parametrize("name", ["a\nb.png", "a\u202eb.png", "M\udcfcller.png"])
def test_a_name_that_cannot_be_stored_is_named_with_the_reason_and_the_rest_is_taken(world: World, name: str) -> None:
    """B01, sibling: a file name that is no UTF-8."""
    write(world.photos / "good.png", picture(1))
    (world.photos / os.fsencode(name).decode("utf-8", "surrogateescape")).write_bytes(picture(2))

    result = world.ingesting.path(world.project, str(world.photos))

    assert (result.new, result.refused_count) == (1, 0)
    (said,) = [words for words in result.ignored if "name" in words]
    assert ".png" in said and said.isprintable()


IMAGES = ["a.jfif", "b.MPO", "c.pjpeg", "d", "e.jpg_large", "f.2024-01-01", "g.jpg~"]


def test_b35_an_image_is_known_by_its_first_bytes_where_its_name_does_not_say(world: World) -> None:
    """B35: `.jfif` (what Windows and Chrome save), `.mpo`, no extension."""
    for number, name in enumerate(IMAGES):
        write(world.photos / name, picture(number, "JPEG"))
    for name in ("README", "x.doc", "y.json", "z.2024", "empty"):
        write(world.photos / name, b"words" * (name != "empty"))

    result = world.ingesting.path(world.project, str(world.photos))
    world.fetch()

    assert (result.found, world.count(ImageRow)) == (len(IMAGES), len(IMAGES))
    assert result.ignored == {"without extension": 2, ".doc": 1, ".json": 1, ".2024": 1}


def test_b67_a_folder_that_may_not_be_read_is_named_and_the_rest_is_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B67: not a word about it."""
    write(world.photos / "ok" / "a.png", picture(1))
    write(world.photos / "ok" / "deep" / "locked" / "b.png", picture(2))
    write(world.photos / "lost+found" / "c.png", picture(3))
    locked(monkeypatch, world.photos / "ok" / "deep" / "locked", world.photos / "lost+found")

    result = world.ingesting.path(world.project, str(world.photos))

    assert result.found == 1
    assert sorted(result.ignored.values()) == [1, 1]
    assert all(
        any(name in words and "may not be read" in words for words in result.ignored)
        for name in ("locked", "lost+found")
    )


def test_b67_nothing_under_a_folder_that_may_not_be_read_counts_as_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate(("ok/a.png", "ok/b.png", "locked/c.png", "locked/deep/d.png", "locked2/e.png")):
        write(world.photos / name, picture(number))
    watch(world, world.photos)
    look(world.parts, world.project.id)
    (world.photos / "ok" / "b.png").unlink()
    with monkeypatch.context() as patch:
        locked(patch, world.photos / "locked")

        assert look_again(world) == {"new": 0, "changed": 0, "gone": 1}
        assert list(listed(world, "register")) == [str(world.photos / "locked")]
    (world.photos / "locked" / "c.png").unlink()

    assert look_again(world)["gone"] == 1
    assert listed(world, "register") == {}


def test_b67_a_root_that_may_not_be_read_is_a_failure_of_the_source(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(world.photos / "a.png", picture(1))
    watch(world, world.photos)
    look(world.parts, world.project.id)
    locked(monkeypatch, world.photos)

    assert look_again(world) == {"new": 0, "changed": 0, "gone": 0}
    with reading(world.parts.database) as session:
        assert "may not be read" in failures.listing(session, world.project.id, "source")[0].reason


@pytest.mark.parametrize("inside", ["", "disk", "disk/deep"])
def test_b67_a_folder_that_is_empty_all_at_once_may_be_a_disk_that_is_away(world: World, inside: str) -> None:
    """B67, sibling: a mounted disk leaves an empty folder when it goes."""
    disk = world.photos / inside
    for number in range(3):
        write(disk / f"{number}.png", picture(number))
    if inside:
        write(disk.parent / "other.png", picture(9))
    watch(world, world.photos)
    look(world.parts, world.project.id)
    for path in disk.iterdir():
        path.unlink()

    assert look_again(world)["gone"] == 0
    assert [
        name for name, reason in listed(world, "register").items() if "mounted" in reason and "3 images" in reason
    ] == [str(disk)]
    if inside:
        disk.rmdir()
        assert look_again(world)["gone"] == 3


def test_b67_a_text_that_may_not_be_read_or_is_no_utf8_is_named_and_its_image_is_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(world.photos / "a.png", picture(1))
    write(world.photos / "a.txt", b"M\xfcller")
    write(world.photos / "b.png", picture(2))
    write(world.photos / "b.TXT", "Käfer".encode("utf-16"))
    write(world.photos / "c.png", picture(3))
    write(world.photos / "c.txt", b"x")
    of_system = LocalFileSystem.open

    def refuse(self: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        if str(path).endswith("c.txt"):
            raise PermissionError(13, "Permission denied")
        return of_system(self, path, *args, **kwargs)

    monkeypatch.setattr(LocalFileSystem, "open", refuse)
    result = world.ingesting.path(world.project, str(world.photos))
    world.fetch()

    assert (result.found, world.count(ImageRow)) == (3, 3)
    assert [row.text for row in world.all(ImageRow) if row.text] == ["Käfer"]
    assert any("a.txt" in words and "UTF-8" in words for words in result.ignored)
    assert any("c.txt" in words and "may not be read" in words for words in result.ignored)


def test_b67_links_in_a_circle_and_links_to_nothing_are_counted(world: World) -> None:
    write(world.photos / "a.png", picture(1))
    for name, target in (
        ("loop.png", "loop.png"),
        ("x.png", "y.png"),
        ("y.png", "x.png"),
        ("gone.png", "nothing.png"),
        ("up", ".."),
        ("here", "."),
    ):
        (world.photos / name).symlink_to(target)
    os.mkfifo(world.photos / "pipe.png")

    result = world.ingesting.path(world.project, str(world.photos))

    assert result.found == 1 and result.ignored == {"links and special files": 7}


def test_b05_a_dry_run_says_which_files_of_a_manifest_are_not_there(world: World) -> None:
    for name in ("a.png", unicodedata.normalize("NFD", "K\u00e4fer.png"), "locked/c.png"):
        write(world.photos / name, picture(len(name)))
    lines = ["a.png", "K\u00e4fer.png", "b.png", "x\u00e4/d.png", "https://example.org/e.png"]
    (world.photos / "m.csv").write_text("\n".join(["image", *lines]))

    plan = replace(world.ingesting, dry_run=True).path(world.project, str(world.photos / "m.csv"))

    assert plan.found == 5 and plan.refused_count == 2
    assert [name.rpartition("photos/")[2] for name, _ in plan.refused] == ["b.png", "x\u00e4/d.png"]
    assert all("no such file" in reason for _, reason in plan.refused)


def test_b67_a_pipe_that_a_manifest_names_is_named_and_not_waited_for(world: World) -> None:
    write(world.photos / "a.png", picture(1))
    os.mkfifo(world.photos / "pipe.png")
    (world.photos / "m.csv").write_text("image\npipe.png\na.png\n")
    world.ingesting.path(world.project, str(world.photos / "m.csv"))

    world.fetch()

    assert world.count(ImageRow) == 1
    assert [reason for reason in listed(world, "fetch").values() if "a pipe" in reason]


def test_what_systems_hide_in_folders_is_left_alone_and_counted(world: World) -> None:
    write(world.photos / "a.png", picture(1))
    for number, name in enumerate(
        ("__MACOSX/._a.png", "@eaDir/a.png/t.jpg", "$RECYCLE.BIN/x.png", ".git/y.png", "._a.png", "Thumbs.db")
    ):
        write(world.photos / name, picture(number))

    result = world.ingesting.path(world.project, str(world.photos))

    assert result.found == 1 and result.ignored == {"hidden files and folders": 6}


def test_b67_in_an_object_store_too(monkeypatch: pytest.MonkeyPatch) -> None:
    of_store = MemoryFileSystem.ls

    def ls(self: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        if path.endswith("locked"):
            raise PermissionError(13, "Forbidden")
        return of_store(self, path, *args, **kwargs)

    for name in ("/b/ok/a::b.png", "/b/locked/c.png"):
        MemoryFileSystem().pipe_file(name, picture(1))
    monkeypatch.setattr(MemoryFileSystem, "ls", ls)
    ignored: Counter[str] = Counter()
    unread: list[Unread] = []

    found = list(find_images("memory://b", ignored, unread))

    assert [(one.address, one.folder) for one in found] == [("memory://b/ok/a::b.png", "ok")]

    assert ignored.total() == 1 and [one.reference for one in unread] == ["memory://b/locked"]


def test_gone_is_noted_for_what_is_gone(world: World) -> None:
    write(world.photos / "a.png", picture(1))
    write(world.photos / "b.png", picture(2))
    watch(world, world.photos)
    look(world.parts, world.project.id)
    (world.photos / "a.png").unlink()

    assert look_again(world)["gone"] == 1
    assert world.count(RegistrationGoneRow) == 1

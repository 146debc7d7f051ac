"""Ingest from a folder, an archive, a manifest or uploads to images, each step run twice."""

from __future__ import annotations

import io
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image
from sqlalchemy import func, select

from db.repositories.images import groups
from db.repositories.images.progress import copies
from db.repositories.projects import projects
from db.repositories.running import failures
from db.session import reading, transaction
from db.tables import FetchRow, ImageRow, LabelRow, RegistrationGoneRow, RegistrationRow
from db.views import listings
from labeling.adapters.storage.image_store import ImageStore
from labeling.errors import BadArchive, Invalid, NotFound, StorageFull
from labeling.ingest.fingerprints import FINGERPRINT_BYTES
from labeling.project import Policy, Project
from labeling.types import Actor, Incoming
from service.ingest.bulk import Ingesting
from service.ingest.register import add_source, register_items
from service.jobs.jobs import Jobs
from service.settings import Settings
from service.work.failpoints import Failpoints
from service.work.ingest.ingest import DIED, collect, count_the_dead, fetch_batch, look
from service.work.wiring import Parts
from tests.conftest import NOW
from tests.unit.ingest.formats.test_medical_and_phones import dicom

TAKEN = "JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF, and with its extra HEIC and DICOM are taken"


@dataclass
class Clock:
    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at


@dataclass
class World:
    """A project with its parts, a folder for photos, and a clock that only the test moves."""

    parts: Parts
    project: Project
    photos: Path
    clock: Clock

    @property
    def ingesting(self) -> Ingesting:
        return Ingesting(self.parts.settings, self.parts.database, self.parts.jobs, self.parts.images, self.parts.now)

    def fetch(self, size: int = 64) -> dict[str, int]:
        return fetch_batch(self.parts, self.project.id, size)

    def count(self, table: Any) -> int:
        with reading(self.parts.database) as session:
            return session.scalar(select(func.count()).select_from(table)) or 0

    def all(self, table: Any) -> list[Any]:
        with reading(self.parts.database) as session:
            return list(session.scalars(select(table).order_by(sa.text("1"))))

    def quarantine(self) -> dict[str, str]:
        with reading(self.parts.database) as session:
            names = {str(row.id): Path(row.reference).name for row in session.scalars(select(RegistrationRow))}
            return {names[f.subject]: f.reason for f in failures.listing(session, self.project.id, "fetch")}


@pytest.fixture
def world(database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path) -> World:
    nothing = cast(Any, None)
    clock = Clock()
    parts = Parts(
        settings=Settings(home=tmp_path, max_image_pixels=1_000_000),
        database=database,
        jobs=Jobs(database),
        images=ImageStore(str(tmp_path / "media")),
        embeddings=nothing,
        label_studio=nothing,
        engine_for=nothing,
        failpoint=Failpoints(""),
        now=clock,
    )
    photos = tmp_path / "photos"
    photos.mkdir()
    return World(parts, make_project(database), photos, clock)


def picture(seed: int, image_format: str = "PNG", **options: Any) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, image_format, **options)
    return buffer.getvalue()


def png_of(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_folder_becomes_images_with_their_text_and_folder_and_twice_changes_nothing(world: World) -> None:
    write(world.photos / "cat" / "1.png", picture(1))
    write(world.photos / "cat" / "1.txt", b"a  tabby\n")
    write(world.photos / "2.jpg", picture(2, "JPEG"))
    write(world.photos / "copy.png", picture(1))
    write(world.photos / "notes.doc", b"")
    write(world.photos / ".hidden.png", picture(3))

    first = world.ingesting.path(world.project, str(world.photos))
    fetched = [world.fetch(), world.fetch()]
    again = world.ingesting.path(world.project, str(world.photos))

    assert (first.new, first.same, first.ignored) == (3, 0, {".doc": 1, "hidden files and folders": 1})
    assert (again.new, again.changed, again.same) == (0, 0, 3)
    assert fetched == [{"done": 3, "failed": 0, "left": 0}, {"done": 0, "failed": 0, "left": 0}]
    with reading(world.parts.database) as session:
        assert copies(session, world.project.id) == 1
    assert (world.count(ImageRow), world.count(FetchRow), world.count(LabelRow)) == (2, 3, 0)
    tabby = next(row for row in world.all(ImageRow) if row.text)
    assert (tabby.text, tabby.details, tabby.format) == ("a tabby", {"folder": "cat"}, "PNG")
    assert (tabby.width, tabby.height, tabby.group_id) == (32, 24, None)
    shown, media_type = world.parts.images.shown(tabby.content_hash)
    assert media_type == "image/png"
    with reading(world.parts.database) as session:
        assert len(groups.fingerprints(session, [tabby.content_hash])[tabby.content_hash]) == FINGERPRINT_BYTES
    assert Image.open(io.BytesIO(shown)).tobytes() == Image.open(io.BytesIO(picture(1))).tobytes()


def test_a_dark_picture_is_taken_and_found_by_what_is_wrong_with_it(world: World) -> None:
    write(world.photos / "night.png", png_of(np.full((24, 32, 3), 9, np.uint8)))
    write(world.photos / "day.png", picture(1))

    world.ingesting.path(world.project, str(world.photos))
    world.fetch()

    with reading(world.parts.database) as session:
        night = listings.images(session, world.project.id, after=None, limit=9, issue="dark").items
        every = listings.images(session, world.project.id, after=None, limit=9).items
    assert [item.issues for item in every if item.id not in {one.id for one in night}] == [[]]
    assert [item.issues for item in night] == [["dark", "low_information"]]


def test_a_dry_run_says_what_would_be_and_does_nothing(world: World) -> None:
    write(world.photos / "cat" / "1.png", picture(1))
    write(world.photos / "unknown" / "2.png", picture(2))
    before = sorted(world.photos.parent.rglob("*"))

    ingesting = replace(world.ingesting, label_from_folder=True, dry_run=True)
    plan = ingesting.path(world.project, str(world.photos))

    assert (plan.kind, plan.found, plan.with_label, plan.new) == ("folder", 2, 1, 0)
    assert "not a label" in plan.refused[0][1]
    assert world.count(RegistrationRow) == 0
    assert sorted(world.photos.parent.rglob("*")) == before


def test_what_cannot_be_used_is_quarantined_with_a_reason_and_the_rest_goes_on(world: World) -> None:
    write(world.photos / "good.png", picture(1))
    write(world.photos / "empty.png", b"")
    write(world.photos / "pdf.jpg", b"%PDF-1.7")
    write(world.photos / "svg.png", b"<svg onload='alert(1)'/>")
    write(world.photos / "cut.jpg", picture(2, "JPEG")[:-200])
    huge = io.BytesIO()
    Image.new("L", (2_000, 2_000)).save(huge, "PNG")
    write(world.photos / "huge.png", huge.getvalue())
    world.ingesting.path(world.project, str(world.photos))

    counts = world.fetch()

    assert counts == {"done": 1, "failed": 5, "left": 0}
    assert {name: reason.split(".")[0] for name, reason in world.quarantine().items()} == {
        "empty.png": "The file is empty",
        "pdf.jpg": f"This is a PDF document, and only {TAKEN}",
        "svg.png": f"This is an SVG drawing, and only {TAKEN}",
        "cut.jpg": "The image is cut off or broken",
        "huge.png": "The image says it is 2,000 x 2,000 pixels; at most 1,000,000 pixels and 60,000 a side are taken",
    }
    assert world.fetch() == {"done": 0, "failed": 0, "left": 0}


def test_a_mended_file_is_taken_after_a_retry(world: World) -> None:
    path = write(world.photos / "a.png", b"")
    world.ingesting.path(world.project, str(world.photos))
    world.fetch()
    path.write_bytes(picture(1))

    with transaction(world.parts.database) as session:
        retried = failures.retry(session, world.project.id, "fetch")

    assert retried == 1
    assert world.fetch()["done"] == 1
    assert world.quarantine() == {}


def test_what_does_not_answer_is_tried_again_with_rests_between_and_is_no_dead_letter(world: World) -> None:
    items = [Incoming("far", "http://127.0.0.1:1/x.png", fingerprint="1")]
    open_settings = world.parts.settings.model_copy(update={"allow_private_addresses": True})
    parts = replace(world.parts, settings=open_settings)
    with transaction(parts.database) as session:
        register_items(session, parts.jobs, world.project, items, NOW)

    tried = []
    for _ in range(5):
        tried += [fetch_batch(parts, world.project.id)["failed"] for _ in range(2)]
        world.clock.at += timedelta(minutes=2)

    assert tried == [1, 0, 1, 0, 1, 0, 1, 0, 1, 0]
    with reading(parts.database) as session:
        assert [(one.count, one.dead) for one in failures.listing(session, world.project.id)] == [(0, False)]
    assert "could not be fetched" in world.quarantine()["far"]


def test_private_addresses_are_refused_for_good(world: World) -> None:
    with transaction(world.parts.database) as session:
        register_items(
            session, world.parts.jobs, world.project, [Incoming("inside", "http://169.254.169.254/latest")], NOW
        )

    world.fetch()

    with reading(world.parts.database) as session:
        assert failures.listing(session, world.project.id)[0].dead


def test_known_labels_become_labels_once_and_gold_ones_are_gold(world: World) -> None:
    write(world.photos / "1.png", picture(1))
    write(world.photos / "same.png", picture(1))
    write(world.photos / "2.png", picture(2))
    write(
        world.photos / "m.csv", b"image,label,gold\n1.png,cat,\nsame.png,dog,\n2.png,dog,yes\n3.png,fish,\n4.png,,yes\n"
    )

    result = world.ingesting.path(world.project, str(world.photos / "m.csv"))
    world.fetch()
    world.ingesting.path(world.project, str(world.photos / "m.csv"))
    world.fetch()

    assert (result.new, result.refused_count) == (3, 2)
    assert "'fish' is not a label of this project: bird, cat, dog" in result.refused[0][1]
    assert [(row.value, row.source, row.review_id) for row in world.all(LabelRow)] == [
        ("cat", "import", None),
        ("dog", "gold", None),
    ]


def test_known_labels_are_a_sample_where_the_project_file_says_that_chance_drew_them(world: World) -> None:
    policy = replace(world.project.config.policy, imported="random_sample")
    config = replace(world.project.config, policy=policy)
    with transaction(world.parts.database) as session:
        project = projects.configure(session, world.project.id, config, Actor("ada", "chance drew them", NOW))
    write(world.photos / "1.png", picture(1))
    write(world.photos / "2.png", picture(2))
    write(world.photos / "m.csv", b"image,label,gold\n1.png,cat,\n2.png,dog,yes\n")

    world.ingesting.path(project, str(world.photos / "m.csv"))
    world.fetch()

    assert [(row.value, row.source) for row in world.all(LabelRow)] == [("cat", "sample"), ("dog", "gold")]


@pytest.mark.parametrize("label_from_folder", [False, True])
def test_an_archive_is_stored_by_hash_and_its_names_are_data(world: World, label_from_folder: bool) -> None:
    file = world.photos.parent / "animals.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("cat/../../../evil.png", picture(1))
        archive.writestr("cat/../../../evil.txt", "a tabby")
        archive.writestr("dog/2.png", picture(2))
        archive.writestr("dog/3.png", b"not an image")
    before = {path for path in world.photos.parent.rglob("*") if path.is_file()}

    ingesting = replace(world.ingesting, label_from_folder=label_from_folder)
    result = ingesting.path(world.project, str(file))
    world.fetch()

    assert (result.kind, result.new, result.refused_count) == ("archive", 2, 1)
    assert [row.reference for row in world.all(RegistrationRow)] == [
        "animals.zip/cat/../../../evil.png",
        "animals.zip/dog/2.png",
    ]
    assert [row.text for row in world.all(ImageRow)] == ["a tabby", None]
    assert world.count(LabelRow) == (2 if label_from_folder else 0)
    made = {path for path in world.photos.parent.rglob("*") if path.is_file()} - before
    assert all(world.photos.parent / "media" in path.parents for path in made if "hardcase.db" not in path.name)


def test_a_refused_archive_leaves_nothing_behind(world: World) -> None:
    file = world.photos.parent / "bomb.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("good.png", picture(1))
        archive.writestr("bomb.png", bytes(51 * 2**20))
    before = sorted(path for path in world.photos.parent.rglob("*"))

    with pytest.raises(BadArchive):
        world.ingesting.path(world.project, str(file))

    assert sorted(path for path in world.photos.parent.rglob("*")) == before
    assert world.count(RegistrationRow) == 0


def test_uploads_are_kept_until_they_are_fetched_and_then_collected(world: World) -> None:
    upload = Incoming("../../x.png", world.parts.images.keep_upload(picture(1)))
    world.parts.images.keep_upload(b"sent, and never registered")
    with transaction(world.parts.database) as session:
        register_items(session, world.parts.jobs, world.project, [upload], NOW)
    far_future = replace(world.parts, now=lambda: datetime.now(NOW.tzinfo) + timedelta(days=1))

    assert collect(far_future) == {"removed": 1}
    assert world.fetch()["done"] == 1
    assert collect(world.parts) == {"removed": 0}
    assert collect(far_future) == {"removed": 1}
    assert world.parts.images.shown(world.all(ImageRow)[0].content_hash)


def test_the_original_is_kept_only_if_the_project_says_so(world: World, make_project: Callable[..., Project]) -> None:
    keeping = make_project(world.parts.database, name="keeping", policy=Policy(keep_originals=True))
    data = picture(1, "JPEG", comment=b"SERIAL-4711")
    write(world.photos / "a.jpg", data)

    world.ingesting.path(world.project, str(world.photos))
    world.fetch()
    digest = world.all(ImageRow)[0].content_hash
    with pytest.raises(NotFound):
        world.parts.images.original(digest)
    world.ingesting.path(keeping, str(world.photos))
    fetch_batch(world.parts, keeping.id)

    assert world.parts.images.original(digest) == data
    assert b"SERIAL" not in world.parts.images.shown(digest)[0]


def test_no_original_is_kept_of_a_file_that_names_a_patient(world: World, make_project: Callable[..., Project]) -> None:
    keeping = make_project(world.parts.database, name="keeping", policy=Policy(keep_originals=True))
    write(world.photos / "a.dcm", dicom(np.arange(600, dtype="u2").reshape(20, 30)))

    world.ingesting.path(keeping, str(world.photos))
    fetch_batch(world.parts, keeping.id)

    (image,) = world.all(ImageRow)
    assert (image.format, image.width, image.height) == ("DICOM", 30, 20)
    stored = [path for path in (world.photos.parent / "media").rglob("*") if path.is_file()]
    assert len(stored) == 1
    assert not any(b"SECRET" in path.read_bytes() for path in stored)


def test_an_image_in_work_when_the_worker_died_twice_is_set_aside_before_a_third_try(world: World) -> None:
    write(world.photos / "a.png", picture(1))
    write(world.photos / "b.png", picture(2))
    world.ingesting.path(world.project, str(world.photos))
    suspect, _ = (row.id for row in world.all(RegistrationRow))
    ended = subprocess.Popen(["true"])
    ended.wait()
    notes = world.parts.settings.home / "decoding"
    notes.mkdir(exist_ok=True)

    (notes / f"{ended.pid}-{world.project.id}-{suspect}").touch()
    after_one = world.fetch()
    with transaction(world.parts.database) as session:
        session.execute(sa.delete(FetchRow))
    for _ in range(2):
        (notes / f"{ended.pid}-{world.project.id}-{suspect}").touch()
        count_the_dead(world.parts, world.project.id)
    after_two = world.fetch()

    assert after_one == {"done": 2, "failed": 0, "left": 0}
    assert after_two == {"done": 1, "failed": 0, "left": 0}
    assert world.quarantine() == {"a.png": DIED}
    assert list(notes.iterdir()) == []


def test_what_decoding_would_take_is_bounded_by_its_bytes_and_the_batch_goes_on(world: World) -> None:
    write(world.photos / "good.png", picture(1))
    write(world.photos / "deep.png", png_of(np.zeros((40, 40), np.uint16)))
    parts = replace(world.parts, settings=world.parts.settings.model_copy(update={"max_decoding_bytes": 20_000}))
    world.ingesting.path(world.project, str(world.photos))

    assert fetch_batch(parts, world.project.id) == {"done": 1, "failed": 1, "left": 0}
    assert "Decoding this PNG of 40 x 40 pixels would take" in world.quarantine()["deep.png"]


@pytest.mark.parametrize("address", ["/etc/passwd", "file:///etc/passwd", "memory://x", "ftp://x/y", "", "http://a@b/"])
def test_strangers_cannot_name_local_files(world: World, address: str) -> None:
    with transaction(world.parts.database) as session:
        registered, refused = register_items(session, world.parts.jobs, world.project, [Incoming("x", address)], NOW)

    assert registered.new == 0
    assert len(refused) == 1


@pytest.mark.parametrize("reference", ["", "x" * 3_000, "a\0b", "a\nb", "a\u202eb", "\ud800"])
def test_odd_references_are_refused_one_by_one(world: World, reference: str) -> None:
    items = [Incoming(reference, "https://example.org/1"), Incoming("good", "https://example.org/2")]

    with transaction(world.parts.database) as session:
        registered, refused = register_items(session, world.parts.jobs, world.project, items, NOW)

    assert (registered.new, len(refused)) == (1, 1)


def test_registering_asks_for_the_job_that_fetches_in_the_same_transaction(world: World) -> None:
    with pytest.raises(RuntimeError), transaction(world.parts.database) as session:
        register_items(session, world.parts.jobs, world.project, [Incoming("a", "https://example.org/1")], NOW)
        raise RuntimeError("the transaction is lost")
    assert world.parts.jobs.list() == []

    with transaction(world.parts.database) as session:
        register_items(session, world.parts.jobs, world.project, [Incoming("a", "https://example.org/1")], NOW)

    assert [job.job for job in world.parts.jobs.list()] == ["ingest"]


def test_a_source_is_looked_at_when_due_new_changed_and_gone(world: World) -> None:
    write(world.photos / "a.png", picture(1))
    write(world.photos / "b.png", picture(2))
    with transaction(world.parts.database) as session:
        add_source(session, world.parts.jobs, world.project, str(world.photos), NOW)

    assert look(world.parts, world.project.id) == {"new": 2, "changed": 0, "gone": 0}
    world.fetch()
    write(world.photos / "a.png", picture(3) + b"longer")
    (world.photos / "b.png").unlink()
    write(world.photos / "c" / "c.png", picture(4))
    assert look(world.parts, world.project.id) == {"new": 0, "changed": 0, "gone": 0}  # not due yet
    world.clock.at += timedelta(seconds=world.project.config.policy.source_every_s)

    assert look(world.parts, world.project.id) == {"new": 1, "changed": 1, "gone": 1}
    world.clock.at += timedelta(hours=1)
    assert look(world.parts, world.project.id) == {"new": 0, "changed": 0, "gone": 0}
    assert world.fetch()["done"] == 2
    assert (world.count(ImageRow), world.count(RegistrationGoneRow)) == (4, 1)


def test_a_manifest_is_a_source_too_and_its_bad_lines_are_told(world: World) -> None:
    manifest = write(world.photos / "m.csv", b"image,label\na.png,cat\nb.png,fish\n")
    write(world.photos / "a.png", picture(1))
    with transaction(world.parts.database) as session:
        add_source(session, world.parts.jobs, world.project, str(manifest), NOW)

    assert look(world.parts, world.project.id) == {"new": 1, "changed": 0, "gone": 0}

    with reading(world.parts.database) as session:
        (failure,) = failures.listing(session, world.project.id, "register")
    assert "'fish' is not a label" in failure.reason


def test_a_source_that_vanished_is_noted_and_nothing_in_it_counts_as_gone(world: World) -> None:
    write(world.photos / "a.png", picture(1))
    with transaction(world.parts.database) as session:
        add_source(session, world.parts.jobs, world.project, str(world.photos), NOW)
    look(world.parts, world.project.id)
    world.photos.rename(world.photos.with_name("away"))
    world.clock.at += timedelta(hours=1)

    assert look(world.parts, world.project.id) == {"new": 0, "changed": 0, "gone": 0}
    with reading(world.parts.database) as session:
        assert "mounted" in failures.listing(session, world.project.id, "source")[0].reason

    world.photos.with_name("away").rename(world.photos)
    world.clock.at += timedelta(hours=1)
    assert look(world.parts, world.project.id) == {"new": 0, "changed": 0, "gone": 0}
    with reading(world.parts.database) as session:
        assert failures.listing(session, world.project.id, "source") == []


def test_links_out_of_a_folder_are_not_followed(world: World) -> None:
    outside = write(world.photos.parent / "secret" / "x.png", picture(1))
    inside = write(world.photos / "a.png", picture(2))
    (world.photos / "out.png").symlink_to(outside)
    (world.photos / "in.png").symlink_to(inside)
    (world.photos / "folder").symlink_to(outside.parent)
    (world.photos / "loop").symlink_to(world.photos)

    result = world.ingesting.path(world.project, str(world.photos))

    assert sorted(Path(row.reference).name for row in world.all(RegistrationRow)) == ["a.png", "in.png"]
    assert result.ignored["links and special files"] >= 1


@pytest.mark.parametrize("what", ["missing", "a.docx", "http://example.org/", "ftp://example.org/", "a::b"])
def test_what_is_no_source_says_what_would_be(world: World, what: str) -> None:
    write(world.photos / "a.docx", b"x")
    address = what if ":" in what else str(world.photos / what)

    with pytest.raises((NotFound, Invalid)) as refused:
        world.ingesting.path(world.project, address)

    assert refused.value.message


def test_a_full_disk_is_no_fault_of_the_images(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    write(world.photos / "a.png", picture(1))
    world.ingesting.path(world.project, str(world.photos))
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(StorageFull):
            world.fetch()

    assert world.quarantine() == {}
    assert world.fetch()["done"] == 1

"""What comes while something is deleted: bytes and names that others register are neither lost nor left behind."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.deletions import tombstones
from db.repositories.deletions.deletions import Elsewhere
from db.repositories.reviews import overlays
from db.session import reading, transaction
from db.tables import ImageRow, LeftoverRow, RegistrationRow
from labeling.adapters.storage.image_store import UPLOAD, Stored
from labeling.jobs import Role
from labeling.project import Project
from labeling.types import DeletionKind, Incoming, ReviewId
from service.ingest.bulk import Ingesting
from service.ingest.register import register_items
from service.work.delete.elsewhere import clear_up
from service.work.delete.rows import remove_rows
from service.work.ingest.ingest import fetch_batch, look
from tests import factories
from tests.factories import NOW
from tests.service.deletions.ground import Died, Ground, before_commit, work
from tests.service.web_client import bearer, make_key, png, web


def acting_at(name: str, act: Callable[[], object], nth: int = 1) -> Callable[[str], None]:
    """A failpoint at whose n-th pass something happens."""
    passes: Counter[str] = Counter()

    def fail(at: str) -> None:
        passes[at] += 1
        if at == name and passes[at] == nth:
            act()

    return fail


def dying() -> None:
    raise Died


def rows_are_gone(ground: Ground, project: Project, kind: DeletionKind, subject: int) -> None:
    ground.order(project, kind, subject)
    while remove_rows(ground.parts, project.id)["left"]:
        continue


def from_folder(ground: Ground, project: Project, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "red.png").write_bytes(png("red"))
    ground.source(project, str(folder))
    look(ground.parts, project.id)


def test_bytes_that_go_between_being_kept_and_being_named_are_fetched_again(ground: Ground, tmp_path: Path) -> None:
    one, other = ground.project("one"), ground.project("other")
    from_folder(ground, one, tmp_path / "photos")
    fetch_batch(ground.parts, one.id)
    rows_are_gone(ground, one, DeletionKind.IMAGE, ground.images()[0])
    from_folder(ground, other, tmp_path / "photos")
    meanwhile = acting_at("fetch.before_write", lambda: clear_up(ground.parts, one.id))

    first = fetch_batch(ground.with_failpoint(meanwhile), other.id)
    kept = ground.parts.images.has(Stored.PICTURE, _content(ground))
    second = fetch_batch(ground.parts, other.id)

    assert (first, kept) == ({"done": 1, "failed": 0, "left": 1}, False)
    assert second == {"done": 1, "failed": 0, "left": 0}
    assert ground.parts.images.shown(_content(ground))[1] == "image/png"


def test_bytes_that_are_named_while_they_go_come_back(ground: Ground, tmp_path: Path) -> None:
    one, other = ground.project("one"), ground.project("other")
    from_folder(ground, one, tmp_path / "photos")
    fetch_batch(ground.parts, one.id)
    rows_are_gone(ground, one, DeletionKind.IMAGE, ground.images()[0])
    from_folder(ground, other, tmp_path / "photos")
    meanwhile = acting_at("delete.before_holders", lambda: fetch_batch(ground.parts, other.id), 2)

    clear_up(ground.with_failpoint(meanwhile), one.id)

    assert ground.parts.images.shown(_content(ground))[1] == "image/png"
    assert ground.count(LeftoverRow) == 0


NAMED: dict[Stored, Callable[[Session, Project, str], object]] = {
    Stored.PICTURE: lambda session, project, name: factories.image(session, project.id, name),
    Stored.UPLOAD: lambda session, project, name: factories.registration(session, project.id, "b.png", address=name),
    Stored.DRAWING: lambda session, project, name: _drawn(session, project, name),
}
LOOKS = {Stored.PICTURE: 2, Stored.UPLOAD: 4, Stored.DRAWING: 6}
"""At which question for holders what is removed is set aside: two for each kind."""


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("kind", Stored)
def test_whatever_is_named_after_it_was_set_aside_comes_back(on_sqlite: Ground, kind: Stored, killed: bool) -> None:
    one, other = on_sqlite.project("one"), on_sqlite.project("other")
    rows_are_gone(on_sqlite, one, DeletionKind.IMAGE, on_sqlite.image(one, "same.png"))
    name = _names(on_sqlite)[kind]

    def name_it() -> None:
        assert not on_sqlite.parts.images.has(kind, name)
        with transaction(on_sqlite.database) as session:
            NAMED[kind](session, other, name)
        if killed:
            dying()

    parts = on_sqlite.with_failpoint(acting_at("delete.before_holders", name_it, LOOKS[kind]))
    with pytest.raises(Died) if killed else nullcontext():
        clear_up(parts, one.id)
    if killed:
        clear_up(on_sqlite.parts, one.id)

    assert on_sqlite.parts.images.has(kind, name)
    assert len(on_sqlite.files()) == (2 if kind is Stored.PICTURE else 1)  # and nothing else is left
    assert on_sqlite.count(LeftoverRow) == 0


def test_what_a_kill_left_aside_is_removed(on_sqlite: Ground) -> None:
    project = on_sqlite.project()
    rows_are_gone(on_sqlite, project, DeletionKind.IMAGE, on_sqlite.image(project, "goes.png"))

    with pytest.raises(Died):
        clear_up(on_sqlite.with_failpoint(acting_at("delete.before_holders", dying, 2)), project.id)
    left = on_sqlite.files()
    clear_up(on_sqlite.parts, project.id)

    assert left and on_sqlite.files() == []


def test_an_upload_that_goes_before_it_is_registered_is_kept_again(on_sqlite: Ground) -> None:
    project, data = on_sqlite.project(), png("red")
    with web(on_sqlite.database, on_sqlite.home) as client, _losing_uploads(on_sqlite, project):
        key = bearer(make_key(on_sqlite.database, Role.ENGINEER))
        sent = client.post("/api/projects/1/images", files=[("files", ("a.png", data, "image/png"))], headers=key)

    assert sent.json()["items"][0]["outcome"] == "new"
    assert on_sqlite.parts.images.read_upload(UPLOAD + sha256(data).hexdigest()) == data


def test_a_member_of_an_archive_that_goes_before_it_is_registered_is_kept_again(on_sqlite: Ground) -> None:
    one, other = on_sqlite.project("one"), on_sqlite.project("other")
    on_sqlite.order(one, DeletionKind.IMAGE, on_sqlite.image(one, "goes.png"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("red.png", png("red"))
        archive.writestr("blue.png", png("blue"))
    (on_sqlite.home / "photos.zip").write_bytes(packed.getvalue())
    parts = on_sqlite.parts
    ingesting = Ingesting(parts.settings, parts.database, parts.jobs, parts.images, parts.now)

    with _losing_uploads(on_sqlite, other):
        taken = ingesting.path(other, str(on_sqlite.home / "photos.zip"))

    assert taken.new == 2
    assert fetch_batch(parts, other.id) == {"done": 2, "failed": 0, "left": 0}


def test_an_upload_that_another_project_waits_for_stays_when_its_bytes_are_refused_here(
    on_sqlite: Ground, tmp_path: Path
) -> None:
    one, other = on_sqlite.project("one"), on_sqlite.project("other")
    from_folder(on_sqlite, one, tmp_path / "photos")
    fetch_batch(on_sqlite.parts, one.id)
    on_sqlite.delete(one, DeletionKind.IMAGE, on_sqlite.images()[0])
    address = on_sqlite.parts.images.keep_upload(png("red"))
    with transaction(on_sqlite.database) as session:
        for project in (one, other):
            register_items(session, on_sqlite.parts.jobs, project, [Incoming("again.png", address)], NOW)

    refused, taken = (fetch_batch(on_sqlite.parts, project.id) for project in (one, other))

    assert (refused["failed"], taken["done"]) == (1, 1)


@pytest.mark.parametrize("kind", [DeletionKind.SOURCE, DeletionKind.PROJECT])
def test_what_is_named_while_names_go_from_the_logs_goes_too(ground: Ground, kind: DeletionKind) -> None:
    project = ground.project()
    source = ground.source(project, "/photos")
    (ground.home / "logs").mkdir()
    log = ground.home / "logs/worker.log"
    log.write_text("QUAGGA-first.png\n")
    upload = ground.parts.images.keep_upload(b"QUAGGA")
    with transaction(ground.database) as session:
        factories.registration(session, project.id, "QUAGGA-first.png", source_id=source)

    def name_one() -> None:
        log.write_text(log.read_text() + "QUAGGA-late.png\n")
        with transaction(ground.database) as session:
            factories.registration(session, project.id, "QUAGGA-late.png", address=upload, source_id=source)

    ground.order(project, kind, source if kind is DeletionKind.SOURCE else project.id)
    work(ground.with_failpoint(acting_at("delete.after_logs", name_one)), project)

    assert "QUAGGA" not in log.read_text() + str(ground.texts())
    assert (ground.count(RegistrationRow), ground.files()) == (0, [])
    if kind is DeletionKind.SOURCE:
        with reading(ground.database) as session:
            marked = tombstones.among(session, project.id, tombstones.REFERENCE, ["QUAGGA-late.png"])
        assert list(marked) == ["QUAGGA-late.png"]


def test_an_image_that_another_source_names_before_its_rows_go_stays(ground: Ground) -> None:
    project = ground.project()
    source, other = ground.source(project, "/photos"), ground.source(project, "/more")
    image = ground.image(project, "shared.png", source=source)

    def name_it() -> None:
        with transaction(ground.database) as session:
            known = factories.registration(session, project.id, "copy.png", source_id=other)
            factories.fetch(session, known, image)

    ground.order(project, DeletionKind.SOURCE, source)
    work(ground.with_failpoint(acting_at("delete.after_logs", name_it)), project)

    assert ground.images() == [image]
    assert ground.count(RegistrationRow, RegistrationRow.source_id == source) == 0


def _content(ground: Ground) -> str:
    with reading(ground.database) as session:
        return session.scalars(sa.select(ImageRow.content_hash)).one()


def _names(ground: Ground) -> dict[Stored, str]:
    """What the deletion has noted, by its kind."""
    kinds = {Elsewhere(kind.value).value: kind for kind in Stored}
    with reading(ground.database) as session:
        rows = session.execute(sa.select(LeftoverRow.kind, LeftoverRow.what))
        return {kinds[kind]: what for kind, what in rows if kind in kinds}


def _drawn(session: Session, project: Project, name: str) -> None:
    review = factories.review(session, project.id, factories.image(session, project.id, "e" * 64))
    overlays.record(session, ReviewId(review), answer="cat", revision="r", picture=name, now=NOW)


def _losing_uploads(ground: Ground, project: Project) -> AbstractContextManager[None]:
    """Uploads go just before the rows of this project that name them stand."""

    def lose() -> None:
        for path in (ground.home / "media/uploads").rglob("*"):
            if path.is_file():
                path.unlink()

    named = sa.select(sa.exists().where(RegistrationRow.project_id == project.id))
    return before_commit(lambda session: bool(session.scalar(named)), lose)

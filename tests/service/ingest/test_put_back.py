"""Pictures that a disk damaged come back from the original, from the source, or not at all, and then they are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from db.repositories.deletions import deletions
from db.session import transaction
from db.tables import FetchRow, ImageRow
from labeling.adapters.storage.embedding_store import EmbeddingStore
from labeling.adapters.storage.image_store import ImageStore
from labeling.errors import Damaged, NotFound
from labeling.project import Policy, Project
from labeling.types import Actor, DeletionKind, Incoming
from service.ingest.register import register_items
from service.operations.deep import Damage, Deep, examine_deep
from service.operations.kept import Ground
from service.operations.kept_bytes import columns, shards
from service.work.ingest.ingest import fetch_batch
from tests.conftest import NOW
from tests.service.ingest.test_ingest_steps import World, picture, world, write

__all__ = ["world"]


def files(world: World, folder: str) -> list[Path]:
    return sorted(path for path in (Path(world.parts.settings.storage) / folder).rglob("*") if path.is_file())


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def repaired(world: World) -> list[Damage]:
    ground, found = Ground(world.parts.settings, world.parts.database), Deep()
    examine_deep(ground, found, repair=True)
    ground.close()
    return found.damages


@pytest.mark.parametrize("do", [spoil, Path.unlink])
def test_a_picture_comes_back_from_its_source(world: World, do: Callable[[Path], None]) -> None:
    write(world.photos / "a.png", picture(1))
    world.ingesting.path(world.project, str(world.photos))
    world.fetch()
    digest = world.all(ImageRow)[0].content_hash
    before = world.parts.images.shown(digest)

    do(files(world, "shown")[0])
    with pytest.raises(NotFound):
        world.parts.images.shown(digest)
    damages = repaired(world)

    assert [(damage.kind, damage.name, damage.mended) for damage in damages] == [("image", digest, True)]
    assert world.parts.images.shown(digest) == before
    assert (world.count(ImageRow), world.count(FetchRow)) == (1, 1)
    assert repaired(world) == []


def test_a_picture_and_its_original_come_back_and_the_original_serves_where_the_source_is_gone(
    world: World, make_project: Callable[..., Project]
) -> None:
    keeping = make_project(world.parts.database, name="keeping", policy=Policy(keep_originals=True))
    source = write(world.photos / "a.png", picture(1))
    world.ingesting.path(keeping, str(world.photos))
    fetch_batch(world.parts, keeping.id)

    spoil(files(world, "originals")[0])
    spoil(files(world, "shown")[0])
    both = repaired(world)
    source.unlink()
    spoil(files(world, "shown")[0])
    from_original = repaired(world)

    assert [(damage.kind, damage.mended) for damage in both] == [("original", True)]  # and the picture with it
    assert [(damage.kind, damage.mended) for damage in from_original] == [("image", True)]


def test_what_is_nowhere_any_more_is_named_with_the_way_out_and_the_way_out_works(world: World) -> None:
    source = write(world.photos / "a.png", picture(1))
    world.ingesting.path(world.project, str(world.photos))
    world.fetch()
    write(source, picture(2))  # another picture under the same name
    spoil(files(world, "shown")[0])

    named = repaired(world)
    upload = Incoming("again.png", world.parts.images.keep_upload(picture(1)))
    with transaction(world.parts.database) as session:
        register_items(session, world.parts.jobs, world.project, [upload], NOW)
    world.fetch()

    assert [damage.mended for damage in named] == [False]
    assert "Other bytes are there now" in named[0].wrong and "under another name" in named[0].way_out
    assert repaired(world) == []


def test_a_picture_comes_back_though_another_project_that_has_it_is_being_deleted(
    world: World, make_project: Callable[..., Project]
) -> None:
    write(world.photos / "a.png", picture(1))
    going = make_project(world.parts.database, name="going")
    for project in (world.project, going):
        world.ingesting.path(project, str(world.photos))
        fetch_batch(world.parts, project.id)
    with transaction(world.parts.database) as session:
        deletions.ask(session, going.id, DeletionKind.PROJECT, going.id, Actor("lead", "for a test", NOW))

    spoil(files(world, "shown")[0])
    damages = repaired(world)

    assert [(damage.kind, damage.mended) for damage in damages] == [("image", True)]


def test_a_file_that_goes_while_it_is_examined_needs_no_mending(world: World) -> None:
    home, vectors = world.parts.settings.home, np.ones((1, 4), np.float32)
    EmbeddingStore(str(home / "embeddings")).put("an-encoder", ["a" * 64], vectors)
    write(home / "pool/1/image.rows", b"broken")
    ground = Ground(world.parts.settings, world.parts.database)

    things = [thing for listed in (shards, columns) for thing in listed(ground).things]
    for thing in things:
        Path(thing.name).unlink()
        assert thing.mend is not None
        thing.mend()

    assert len(things) == 2


def test_a_picture_of_before_gets_its_checksum_and_comes_out_as_it_was(tmp_path: Path) -> None:
    store, name = ImageStore(str(tmp_path)), "a" * 64
    write(tmp_path / "shown" / "aa" / f"{name}.jpg", b"kept without a checksum")
    before = store.shown(name)

    sealed = (store.seal(), store.seal())

    assert before == store.shown(name) == (b"kept without a checksum", "image/jpeg")
    assert sealed == (1, 0)
    spoil(next(tmp_path.rglob(f"{name}*")))
    with pytest.raises(Damaged, match=name):
        store.shown(name)

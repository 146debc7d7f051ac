"""Images and what is computed from them, for `doctor --deep`: each by its hash.

In: where everything lies. Out: the things, each with its check. Pictures are made again from the original or the
source; vectors, columns and drawings by the worker, once the damaged file is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from db.repositories.engines.prelabels import named_vectors
from db.repositories.images import images, registrations
from db.repositories.projects import projects
from db.session import reading
from labeling.adapters.storage.embedding_store import EmbeddingStore
from labeling.adapters.storage.mapped_rows import rows_are_whole
from labeling.adapters.storage.vector_shards import open_shard
from labeling.errors import BadArtifact, Damaged, Invalid, NotFound, Unavailable
from service.operations.kept import Ground, Kept, Listing
from service.work.ingest.fetching import Fetching

__all__ = ["columns", "drawings", "originals", "pictures", "shards", "uploads", "vectors"]

BY_ITSELF = "`hardcase doctor --deep --repair` removes it, and the worker makes it anew"
SEND_AGAIN = "bring the same file in again under another name, or restore the media from a backup"


def pictures(ground: Ground) -> Listing:
    """What is shown of every image."""
    way_out = f"`hardcase doctor --deep --repair` makes it from the original or the source; else {SEND_AGAIN}"
    with reading(ground.database) as session:
        found = sorted(images.content_hashes(session))
    return Listing(
        len(found),
        (
            Kept(one, partial(_read, ground.images.shown, one), way_out, partial(_put_back, ground, one, True))
            for one in found
        ),
    )


def originals(ground: Ground) -> Listing:
    """The bytes as they came, where they are kept."""
    way_out = f"`hardcase doctor --deep --repair` reads it from its source again; else {SEND_AGAIN}"
    found = sorted(ground.images.originals())
    return Listing(
        len(found),
        (
            Kept(one, partial(_read, ground.images.original, one), way_out, partial(_put_back, ground, one, False))
            for one in found
        ),
    )


def uploads(ground: Ground) -> Listing:
    """Uploads that are not fetched yet."""
    with reading(ground.database) as session:
        found = sorted(registrations.waiting_uploads(session))
    things = (Kept(one, partial(_read, ground.images.read_upload, one), "upload the file again") for one in found)
    return Listing(len(found), things)


def drawings(ground: Ground) -> Listing:
    """Overlays that were drawn for annotators."""
    store, found = ground.images, sorted(ground.images.drawings())
    return Listing(
        len(found),
        (
            Kept(one, partial(_read, store.drawing, one), BY_ITSELF, partial(store.remove_drawing, one), True)
            for one in found
        ),
    )


def shards(ground: Ground) -> Listing:
    """The files of vectors."""
    found = _store(ground).shards()
    return Listing(len(found), (Kept(str(one), partial(_shard, one), BY_ITSELF, _removing(one), True) for one in found))


def vectors(ground: Ground) -> Listing:
    """Of each encoder, the vectors that rows name."""
    with reading(ground.database) as session:
        named = named_vectors(session)
    store = _store(ground)

    def complete(encoder: str) -> None:
        store.matrix(encoder, sorted(named[encoder]))

    way_out = "the worker computes them again by itself: start it with `hardcase up`"
    return Listing(len(named), (Kept(one, partial(complete, one), way_out) for one in sorted(named)))


def columns(ground: Ground) -> Listing:
    """What the database says of the pool, as mapped files."""
    found = sorted((ground.home / "pool").glob("*/*.rows"))
    return Listing(len(found), (Kept(str(one), partial(_rows, one), BY_ITSELF, _removing(one), True) for one in found))


def _store(ground: Ground) -> EmbeddingStore:
    return EmbeddingStore(str(ground.home / "embeddings"), cache=ground.home / "cache")


def _removing(path: Path) -> Callable[[], None]:
    """What removes a file; one that went meanwhile is no error."""
    return partial(path.unlink, missing_ok=True)


def _read(read: Callable[[str], object], name: str) -> None:
    read(name)


def _shard(path: Path) -> None:
    try:
        open_shard(path)
    except FileNotFoundError:  # merged into another one meanwhile
        return


def _rows(path: Path) -> None:
    try:
        whole = rows_are_whole(path)
    except FileNotFoundError:  # made anew meanwhile
        return
    if not whole:
        raise BadArtifact("Its rows are not those that were written.")


def _put_back(ground: Ground, content_hash: str, from_original: bool) -> None:
    """Store the picture, and the original where it is kept, from wherever the same bytes still are."""
    with reading(ground.database) as session:
        standing = {project.id: project for project in projects.everyone(session)}
        places = [(standing[of], named) for of, named in images.places_of(session, content_hash) if of in standing]
    tries: Iterator[tuple[Fetching, str | None]] = (
        (Fetching(ground.parts, project), address)
        for project, named in places
        for address in ([None, named] if from_original else [named])
    )
    reasons = []
    for fetching, address in tries:
        try:
            fetching.put_back(content_hash, address)
            return
        except (Invalid, NotFound, Unavailable) as error:
            reasons.append(f"{address or 'original'}: {error.message}")
    raise Damaged("; ".join(reasons[:3]) or "No project has this image any more.")

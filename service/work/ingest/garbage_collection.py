"""Removes what no row names any more: files and vectors left by a kill, uploads that were fetched.

In: the worker's parts. Out: how much was removed. Facts are never touched; a vector that was removed too early, while
its row was being written elsewhere, is computed again when it is needed.
"""

from __future__ import annotations

from db.repositories.engines.prelabels import named_vectors
from db.session import reading
from service.work.ingest.ingest import collect
from service.work.wiring import Parts


def tidy_up(parts: Parts) -> dict[str, int]:
    """Collect files and vectors, compact the vector store, seal old files; a second run removes nothing more."""
    files = collect(parts)["removed"]
    with reading(parts.database) as session:
        named = named_vectors(session)
    vectors = sum(parts.embeddings.collect(encoder, keys) for encoder, keys in named.items())
    parts.embeddings.compact()
    parts.images.seal()
    return {"files": files, "vectors": vectors}

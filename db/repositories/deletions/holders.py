"""Who else has what an image had: its bytes, its vectors, its upload, its drawings. Shared by all projects.

In: hashes, texts, names. Out: those of them that a row still names; what nobody names goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import in_parts, rows_of
from db.session import delete
from db.tables import EmbeddingRow, FingerprintRow, ImageCheckRow, ImageRow, RegionRow, RegistrationRow


def contents(session: Session, hashes: Iterable[str]) -> set[str]:
    """Content hashes that an image has, of whatever project."""
    statement = sa.select(ImageRow.content_hash).distinct()
    return {row.content_hash for row in rows_of(session, statement, ImageRow.content_hash, hashes)}


def texts(session: Session, wanted: Iterable[str]) -> set[str]:
    """Texts that an image has."""
    return {row.text for row in rows_of(session, sa.select(ImageRow.text).distinct(), ImageRow.text, wanted)}


def uploads(session: Session, addresses: Iterable[str]) -> set[str]:
    """Addresses of uploads that are registered."""
    statement = sa.select(RegistrationRow.address).distinct()
    return {row.address for row in rows_of(session, statement, RegistrationRow.address, addresses)}


def drawings(session: Session, pictures: Iterable[str]) -> set[str]:
    """Drawings that a review has."""
    return {row.picture for row in rows_of(session, sa.select(RegionRow.picture), RegionRow.picture, pictures)}


def forget_contents(session: Session, hashes: Sequence[str]) -> None:
    """Remove what is kept by content hash, in the tables."""
    for some in in_parts(hashes):
        for table in (FingerprintRow, ImageCheckRow):
            delete(session, table, table.content_hash.in_(some))


def forget_vectors(session: Session, keys: Sequence[str]) -> list[tuple[str, str]]:
    """Remove the rows that name vectors of these keys; the encoder and key of each."""
    statement = sa.select(EmbeddingRow.encoder, EmbeddingRow.key)
    found = [(row.encoder, row.key) for row in rows_of(session, statement, EmbeddingRow.key, keys)]
    for some in in_parts(keys):
        delete(session, EmbeddingRow, EmbeddingRow.key.in_(some))
    return found


def vectors(session: Session, encoder: str, keys: Iterable[str]) -> set[str]:
    """Keys of this encoder's vectors that a row names."""
    statement = sa.select(EmbeddingRow.key).where(EmbeddingRow.encoder == encoder)
    return {row.key for row in rows_of(session, statement, EmbeddingRow.key, keys)}

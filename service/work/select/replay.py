"""Draws a stored query again, by the function that drew it, and says whether the same images come out.

In: the number of a query. Out: how many of its images came out again, and what of what it was drawn from is gone. The
numbers that it was drawn from stand with it; vectors, pre-labels, predictions and labels are read where they are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from db.repositories.projects import projects
from db.repositories.queries import bases
from db.repositories.queries import pool as ready_images
from db.repositories.queries.bases import Asked, Kept
from db.repositories.queries.examples import examples_of_labels
from db.repositories.versions import versions
from db.repositories.versions.versions import Version
from db.session import reading
from labeling.basis import Basis, unpack
from labeling.conversion import convert
from labeling.errors import Conflict
from labeling.project import Project
from labeling.types import Example, ImageId, ProjectId
from service.work.pool.champion import version_predictions
from service.work.pool.pool import EnginePin, Pool, pool_of
from service.work.pool.strategies import strategy_of
from service.work.select.drawing import Ground, Probs, Terms, draw, hash_of
from service.work.select.ensemble import members_of
from service.work.select.ground import labelled_in, vectors_of
from service.work.wiring import Parts

__all__ = ["Replay", "replay_query"]

NAMED = 20
"""So many images that are gone are named, and counted all."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A query that was drawn again.

    `same` of the `asked` images came out again, of the same kind and at the same place; `differing` were asked and did
    not; `others` came out and were not asked: somebody had labelled or asked about their groups before the query was
    written. `gone` says what is not there any more. Nothing was drawn where `drawn` is false.
    """

    query: int
    strategy: str
    seed: int
    version: int | None
    asked: int
    same: int
    differing: tuple[ImageId, ...]
    others: tuple[ImageId, ...]
    gone: tuple[str, ...]
    drawn: bool

    @property
    def equal(self) -> bool:
        """Whether all of its images came out again."""
        return self.same == self.asked

    @property
    def explained(self) -> bool:
        """Whether the same images came out, or it is known what is gone."""
        return self.equal or bool(self.gone)

    @property
    def words(self) -> str:
        """The result as a person reads it."""
        return f"Query {self.query}: {self.same} of {self.asked} images the same."


def replay_query(parts: Parts, project_id: ProjectId, number: int) -> Replay:
    """Draw a query again.

    Raises
    ------
    NotFound
        When the project has no such query.
    Conflict
        When it was not drawn, or an older hardcase drew it and did not keep what from.
    """
    with reading(parts.database) as session:
        kept = bases.of_query(session, project_id, number)
        if kept.terms is None or kept.content is None:
            raise Conflict(
                f"What query {number} was drawn from was not kept: its images were named, not drawn "
                f"(it is called {kept.strategy!r}), or an older hardcase drew it."
            )
        terms = convert(dict(kept.terms), Terms)
        project = projects.as_configured(session, project_id, terms.config_version)
        version = None if kept.version_id is None else versions.by_id(session, kept.version_id)
        asked = bases.asked_in(session, kept.id)
    ground, gone = _ground_of(parts, project, kept, terms, unpack(kept.content), version)
    if ground is None:
        return _result(kept, version, terms, asked, [], gone, drawn=False)
    return _result(kept, version, terms, asked, _drawn(ground), gone, drawn=True)


def _ground_of(
    parts: Parts, project: Project, kept: Kept, terms: Terms, basis: Basis, version: Version | None
) -> tuple[Ground | None, list[str]]:
    """What the query was drawn from, as far as it is still there; None where the predictions are not."""
    with reading(parts.database) as session:
        examples = sorted(examples_of_labels(session, basis.labels.tolist()), key=lambda one: one.image_id)
        standing = np.array(ready_images.image_ids(session, project.id), np.int64)
    pin = EnginePin(terms.revision, terms.image_encoder, terms.text_encoder)
    wanted = np.union1d(basis.images, np.array([one.image_id for one in examples], np.int64))
    pool = _with_texts(pool_of(parts, project, pin, wanted), terms.text_dimensions)
    gone = _gone(basis, pool, standing, examples)
    basis, whole = _left(basis, pool, standing), not gone
    rows = pool.rows_of(basis.images)
    ranking = _ranking(parts, project, version, basis, pool.prelabel_probs[rows]) if terms.ranked_by else None
    if terms.ranked_by and ranking is None and version is not None:
        lost = f"The stored predictions of version {version.number} are gone, or lack some of its images."
        return None, [*gone, lost]
    if ranking is not None and whole and hash_of(ranking, len(rows)) != terms.ranked_by:
        gone.append("The probabilities that it was drawn by were made again since, and are not the same.")
    own = strategy_of(project)
    ground = Ground(
        number=kept.number,
        policy=project.config.policy,
        strategy=own,
        terms=terms,
        basis=basis,
        ranking=ranking,
        vectors=lambda at: vectors_of(pool, rows[at]),
        labelled=labelled_in(pool, examples)[0],
        classes=project.config.classes,
        members=members_of(project, pool, rows, examples, own.ensemble) if terms.promoted and own.ensemble else None,
    )
    return ground, gone


def _left(basis: Basis, pool: Pool, standing: npt.NDArray[np.int64]) -> Basis:
    """What is still there of it."""
    left = basis.take(pool.rows_of(basis.images) >= 0)
    return replace(left, gold=basis.gold[np.isin(basis.gold, standing)])


def _ranking(
    parts: Parts, project: Project, version: Version | None, basis: Basis, prelabels: npt.NDArray[np.float32]
) -> Probs | None:
    """What the images were ranked by; None where the version's predictions are gone."""
    ranking = np.array(prelabels)
    if version is not None:
        said = version_predictions(parts, version, project.config)
        rows = None if said is None else said.rows_of(basis.images[basis.predicted])
        if said is None or rows is None or (rows < 0).any():
            return None
        ranking[basis.predicted] = said.ranking(rows)
    return lambda at: ranking[at]


def _with_texts(pool: Pool, dimensions: int) -> Pool:
    """The pool with vectors of texts as wide as they were: where none of these images has a text they are absent."""
    if pool.text_vectors.shape[1] == dimensions:
        return pool
    return replace(pool, text_vectors=np.full((len(pool), dimensions), np.nan, np.float32))


def _gone(basis: Basis, pool: Pool, standing: npt.NDArray[np.int64], examples: Sequence[Example]) -> list[str]:
    """What is not there any more of what the query was drawn from, one sentence each."""
    known = np.union1d(basis.images, np.array([one.image_id for one in examples], np.int64))
    deleted = np.setdiff1d(np.union1d(basis.images, basis.gold), standing)
    unready = np.intersect1d(known[pool.rows_of(known) < 0], standing)
    labels = len(basis.labels) - len(examples)
    found = []
    if len(deleted):
        found.append(f"Deleted since, of the images that it could ask about: {_listed(deleted)}.")
    if labels:
        found.append(f"Deleted since, of the labels that were learnt from: {labels}.")
    if len(unready):
        found.append(f"Without their vector or pre-label now: {_listed(unready)}.")
    return found


def _listed(images: npt.NDArray[np.int64]) -> str:
    named = ", ".join(map(str, images[:NAMED].tolist()))
    return f"{len(images)} (image {named}{', ...' if len(images) > NAMED else ''})"


def _drawn(ground: Ground) -> list[Asked]:
    drawn, known = draw(ground)
    pairs = [(ground.basis.images[pick.position], pick) for pick in drawn.picks]
    pairs += [(ground.basis.gold[pick.position], pick) for pick in known]
    return [Asked(ImageId(int(image)), pick.kind, pick.blind, pick.place) for image, pick in pairs]


def _result(
    kept: Kept,
    version: Version | None,
    terms: Terms,
    asked: Sequence[Asked],
    again: Sequence[Asked],
    gone: Sequence[str],
    *,
    drawn: bool,
) -> Replay:
    before, now = {_key(one): one for one in asked}, {_key(one): one for one in again}
    return Replay(
        query=kept.number,
        strategy=kept.strategy,
        seed=kept.seed,
        version=None if version is None else version.number,
        asked=terms.asked,
        same=len(before.keys() & now.keys()),
        differing=tuple(one.image_id for key, one in before.items() if key not in now),
        others=tuple(one.image_id for key, one in now.items() if key not in before),
        gone=(*gone, *_deleted_questions(terms, asked)),
        drawn=drawn,
    )


def _key(one: Asked) -> tuple[int, str, bool, float]:
    return one.image_id, one.kind.value, one.blind, round(one.place, 12)


def _deleted_questions(terms: Terms, asked: Sequence[Asked]) -> list[str]:
    missing = terms.asked - len(asked)
    return [f"Deleted since, of the images that it asked about: {missing}."] if missing else []

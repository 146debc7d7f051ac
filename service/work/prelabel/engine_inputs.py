"""What an engine of the escalation gets beside the image: current prediction, description, nearest labelled images.

In: rows of the pool with their images. Out: items. Invariant: a shot is an image of the pool side whose label may be
used for training, and never of the group of the image that is asked about; its file is opened only when it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from db.repositories.engines import prelabels
from db.repositories.engines.prelabels import PendingImage
from db.repositories.queries.examples import read_examples
from db.repositories.queries.pool import count_texts
from db.session import reading
from labeling.prelabel.engine import Engine, Growing, Item, Shot, Vectors
from labeling.prelabel.picture_size import PictureSize
from labeling.prelabel.zero_shot.nearest import nearest_others
from labeling.prelabel.zero_shot.projection import fit_projection
from labeling.project import Project
from labeling.review.kinds import Use, kinds_for
from labeling.types import Example
from service.work.pool.pool import Pool
from service.work.pool.predictions import CurrentPredictions
from service.work.prelabel.inference import item_of, opener
from service.work.wiring import Parts


def as_known(parts: Parts, project: Project, engine: Engine) -> Engine | None:
    """The engine as fitted on the project's labels and texts of now; None while they are too few for it to start."""
    if not isinstance(engine, Growing):
        return engine
    with reading(parts.database) as session:
        known = len(read_examples(session, project.id, kinds_for(Use.TRAIN)))
        texts = count_texts(session, project.id)
    return engine.as_of(known, texts)


def items_for(
    parts: Parts,
    project: Project,
    pool: Pool,
    predictions: CurrentPredictions,
    pictures: Sequence[tuple[PendingImage, Image.Image]],
    *,
    place: int,
    shots: int,
    text_space: bool = False,
) -> list[tuple[PendingImage, Item]]:
    """An item for each picture: with so many shots, and with what the engines before this place said.

    `text_space` asks for each image's vector in the space of texts too, which takes a fit over the whole pool.
    """
    rows = pool.rows_of(np.array([image.id for image, _ in pictures], np.int64))
    earlier = [engine.stage.revision for engine in predictions.engines if engine.stage.place < place]
    with reading(parts.database) as session:
        first = parts.engine_for(project).revision
        described = prelabels.descriptions(session, [image.id for image, _ in pictures], [first, *earlier])
    near = shots_for(parts, project, pool, rows, shots)
    projected = _in_text_space(pool, rows) if text_space else [None] * len(rows)
    return [
        (
            image,
            replace(
                item_of(parts, image, picture),
                shots=found,
                prediction=_known(predictions.shown[row]),
                description=described.get(image.id, ""),
                in_text_space=vector,
            ),
        )
        for (image, picture), row, found, vector in zip(pictures, rows, near, projected, strict=True)
    ]


def shots_for(parts: Parts, project: Project, pool: Pool, rows: NDArray[np.int64], n: int) -> list[tuple[Shot, ...]]:
    """The n nearest images with a label by people, for each of these rows of the pool."""
    known = _known_examples(parts, project, pool) if n else []
    if not known:
        return [()] * len(rows)
    at = np.array([row for _, row in known], np.int64)
    near = nearest_others(pool.image_vectors[rows], pool.group_ids[rows], pool.image_vectors[at], pool.group_ids[at], n)
    wanted = sorted({known[i][0].image_id for found in near for i, _ in found})
    with reading(parts.database) as session:
        texts = {image: row.text for image, row in prelabels.images(session, wanted).items()}

    def shot(example: Example, similarity: float) -> Shot:
        opened = partial(opener(parts, example.content_hash), PictureSize())
        return Shot(example.image_id, example.label, texts[example.image_id], similarity, opened)

    return [tuple(shot(known[i][0], similarity) for i, similarity in found) for found in near]


def _in_text_space(pool: Pool, rows: NDArray[np.int64]) -> Sequence[Vectors | None]:
    projection = fit_projection(pool.image_vectors, pool.text_vectors, pool.group_ids)
    if projection is None:
        return [None] * len(rows)
    return list(projection.apply(np.asarray(pool.image_vectors[rows]), pool.group_ids[rows]))


def _known_examples(parts: Parts, project: Project, pool: Pool) -> list[tuple[Example, int]]:
    """Labels by people that may train, of classes of the set, each with its image's row in the pool."""
    with reading(parts.database) as session:
        examples = read_examples(session, project.id, kinds_for(Use.TRAIN))
    named = [example for example in examples if example.label in project.config.classes]
    rows = pool.rows_of(np.array([example.image_id for example in named], np.int64))
    return [(example, int(row)) for example, row in zip(named, rows, strict=True) if row >= 0]


def _known(probs: NDArray[np.floating]) -> tuple[float, ...] | None:
    return tuple(float(p) for p in probs) if bool(np.isfinite(probs).all()) else None

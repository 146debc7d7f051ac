"""Draws, for open reviews, why a class is suggested: the nearest labelled images, or what the class depends on.

In: a project whose policy names an explanation. Out: overlays in the image store and the rows that name them, a batch
a call. Blind reviews get none. An example is never of the image's own group, never gold, never an image that somebody
is still asked about, and its label comes from a review that may train: no measured answer is ever shown. Doing it again
draws nothing; it draws a new one for another pre-selected class, or when there are twice as many labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
from PIL import Image

from db.repositories.projects import projects
from db.repositories.queries import examples as labelled
from db.repositories.queries import gold
from db.repositories.reviews import reviews
from db.repositories.reviews.reviews import Review
from db.repositories.running import failures
from db.session import reading
from labeling.adapters.storage.embedding_store import MissingVectors
from labeling.errors import Invalid, NotFound
from labeling.explain.occlusion import covered, occlusion_map, stacked, strip
from labeling.loading import loading
from labeling.prelabel.encoders.decode import open_shown
from labeling.prelabel.engine import Engine, Item, doublings
from labeling.prelabel.zero_shot.nearest import nearest_others
from labeling.project import LabelClass, Project
from labeling.review.kinds import Use, kinds_for
from labeling.types import Example, ProjectId
from service.engines.kinds import KINDS
from service.work.explain.overlays import draw_next, due_reviews, keep_overlay, note_failure
from service.work.review.push import Queue, read_queue
from service.work.wiring import Parts

STEP = "explanation"
EXAMPLES = 3
SIDE = 480
"""The longer side of what is covered and drawn; the quick engines use a smaller one."""
QUICK = tuple(kind.name for kind in KINDS.values() if kind.quick)
"""First engines that are asked 37 times about one image: they run here, cost nothing, and give probabilities."""


def draw_explanations(parts: Parts, project_id: ProjectId, size: int = 8) -> dict[str, int]:
    """Draw the next `size` overlays; `left` counts what is still to do. Without `policy: explanation:` nothing is."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
    wanted = project.config.policy.explanation
    covers = wanted in ("occlusion", "both") and _may_cover(parts, project)
    engine = parts.engine_for(project) if wanted else None
    if engine is None:
        return {"done": 0, "failed": 0, "left": 0}
    queue = read_queue(parts, project_id)
    known = _examples(parts, queue) if wanted in ("examples", "both") else []
    if not known and not covers:
        return {"done": 0, "failed": 0, "left": 0}
    revision = f"{'occlusion' if covers else 'no-occlusion'}-{doublings(len(known))}-{engine.revision}"
    lacking = due_reviews(parts, queue, revision, STEP)
    near = _nearest(parts, engine, [review for review, _ in lacking], known)
    due = [(review, label, found) for (review, label), found in zip(lacking, near, strict=True) if covers or found]
    covering = engine if covers else None
    return draw_next(due, size, lambda one: _draw(parts, project, covering, *one, revision))


def _may_cover(parts: Parts, project: Project) -> bool:
    """Whether the first engine can be asked so often; if not, the list of failures says so, once."""
    kind, subject = project.config.policy.engine.partition(":")[0], f"{project.id}:occlusion"
    if kind in QUICK:
        return True
    with reading(parts.database) as session:
        known = failures.listing(session, project.id)
    if not any(failure.step == STEP and failure.subject == subject for failure in known):
        reason = f"An occlusion map needs a first engine that runs here and is quick ({', '.join(QUICK)}), not {kind}."
        note_failure(parts, project, STEP, subject, reason)
    return False


def _examples(parts: Parts, queue: Queue) -> list[Example]:
    """Labels by people that may be shown."""
    project = queue.project
    with reading(parts.database) as session:
        found = labelled.read_examples(session, project.id, kinds_for(Use.TRAIN))
        asked = {review.image_id for review in reviews.open_reviews(session, project.id)}
        hidden = asked | set(gold.answers(session, project.id))
    return [one for one in found if one.label in project.config.classes and one.image_id not in hidden]


def _nearest(parts: Parts, engine: Engine, asked: Sequence[Review], known: Sequence[Example]) -> list[list[Example]]:
    """The nearest examples of each review's image, the nearest first; none where vectors are missing for now."""
    nothing: list[list[Example]] = [[] for _ in asked]
    if not asked or not known:
        return nothing
    with reading(parts.database) as session:
        groups = labelled.groups_of(session, [review.image_id for review in asked])
    try:
        vectors = parts.embeddings.get(engine.image_encoder, [review.content_hash for review in asked])
        theirs = parts.embeddings.get(engine.image_encoder, [example.content_hash for example in known])
    except MissingVectors:  # they are made again by `prelabel`
        return nothing
    own = np.array([groups.get(review.image_id, -1) for review in asked], np.int64)
    near = nearest_others(vectors, own, theirs, np.array([one.group_id for one in known], np.int64), EXAMPLES)
    return [[known[at] for at, _ in found] for found in near]


def _draw(
    parts: Parts,
    project: Project,
    engine: Engine | None,
    review: Review,
    label: LabelClass,
    near: Sequence[Example],
    revision: str,
) -> bool:
    """Draw one overlay and keep it; False if it could not be drawn."""
    try:
        pictures = [] if engine is None else [_lit(parts, project, engine, review, label)]
        if near:
            pictures.append(strip([(_open(parts, one.content_hash), one.label) for one in near]))
    except (Invalid, NotFound, RuntimeError, ValueError) as error:
        note_failure(parts, project, STEP, str(review.id), f"{type(error).__name__}: {error}")
        return False
    drawn = pictures[0] if len(pictures) == 1 else stacked(*pictures)
    made_from = (review.content_hash, revision, label.name, *(one.content_hash for one in near))
    picture = sha256("\0".join(made_from).encode()).hexdigest()
    keep_overlay(parts, review, drawn, answer=label.name, revision=revision, picture=picture, step=STEP)
    return True


def _lit(parts: Parts, project: Project, engine: Engine, review: Review, label: LabelClass) -> Image.Image:
    """The image, bright where covering it makes the class less likely."""
    with loading:
        from labeling.explain.regions import lit  # brings torch, which not every engine needs

    image = _open(parts, review.content_hash)
    image.thumbnail((SIDE, SIDE))
    output = engine.look([Item(one, review.text) for one in (image, *covered(image))])
    at = project.config.classes.index(label.name)
    probs = [prelabel.probs[at] if prelabel.probs else 0.0 for prelabel in output.prelabels]
    return lit(image, occlusion_map(probs[0], probs[1:], image.size))


def _open(parts: Parts, content_hash: str) -> Image.Image:
    return open_shown(parts.images.shown(content_hash)[0])

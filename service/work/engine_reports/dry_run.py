"""Lets engines look at images of a project outside the loop: by name, without writing a prelabel, saying how far it is.

In: a project and the name of an engine, used by its policy or not. Out: its answers by image. What one image or one
engine cannot do costs only itself; what was paid for stays in the book of calls and is not paid again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from db.repositories.engines.prelabels import PendingImage
from labeling.prelabel.engine import Engine, Item
from labeling.project import EngineUse, Project
from labeling.slices import slices
from labeling.types import ImageId, Prelabel
from service.work.engines.factory import make_engine
from service.work.pool.pool import load_pool
from service.work.pool.predictions import current_predictions
from service.work.prelabel.engine_inputs import as_known, items_for
from service.work.prelabel.inference import Looked, look_at, open_pictures
from service.work.wiring import Parts

AT_ONCE = 16
"""Images between two signs of life: enough for a model's batch, few enough to stop soon."""

Items = list[tuple[PendingImage, Item]]
Opener = Callable[[Sequence[PendingImage], Looked], Items]
"""Makes images into items as one engine is to see them; notes those that cannot be seen."""
Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


def engines_of(project: Project) -> list[str]:
    """The engines that the project uses, in the order of escalation."""
    policy = project.config.policy
    return list(dict.fromkeys([policy.engine, *(use.engine for use in policy.escalation)]))


def currency_of(project: Project) -> str:
    """What the project counts its money in."""
    budget = project.config.policy.budget
    return budget.currency if budget else "USD"


def use_of(project: Project, name: str) -> EngineUse | None:
    """How the project uses an engine; None for its first. One that it does not use looks as the first would."""
    policy = project.config.policy
    if name == policy.engine:
        return None
    used = next((use for use in policy.escalation if use.engine == name), None)
    return used or EngineUse(name, policy.templates, below_margin=1.0)


def load(parts: Parts, project: Project, name: str) -> Engine:
    """The engine of this name: the warm one where the project uses it, else one that nobody keeps.

    One that grows with labels or texts is as these make it today; before there are enough, as it will wait for them.
    """
    use = use_of(project, name)
    if name in engines_of(project):
        engine = parts.engine_for(project) if use is None else parts.engine_for(project, use)
    else:
        engine = make_engine(project, parts.settings, use, parts.database)
    return as_known(parts, project, engine) or engine


def let_look(
    engine: Engine, images: Sequence[PendingImage], open_items: Opener, project: Project, progress: Progress, what: str
) -> Looked:
    """Look at all of them, some at once; stops at a spent budget or a silent endpoint with what it has."""
    looked = Looked()
    for some in slices(len(images), AT_ONCE):
        progress(what, some.start, len(images))
        items = open_items(images[some], looked)
        look_at(engine, items, len(project.config.labels), project.config_version, looked)
        if looked.away or looked.refused:
            break
    progress(what, len(images), len(images))
    return looked


def answers_of(looked: Looked) -> dict[ImageId, Prelabel]:
    """What the engine said, by image."""
    return {seen.image.id: seen.prelabel for seen in looked.seen}


def why_not(looked: Looked) -> str:
    """Why it said nothing of some images, in its first words; empty where it said something of all."""
    away = [looked.away.message] if looked.away else []
    reasons = [*away, *looked.refused.values(), *looked.final.values(), *looked.failed.values()]
    return reasons[0] if reasons else ""


def place_of(project: Project, name: str) -> int:
    """Where an engine stands: 0 for the first, then the escalation; one that is not used comes after all of them."""
    names = [project.config.policy.engine, *(use.engine for use in project.config.policy.escalation)]
    return names.index(name) if name in names else len(names)


def opener(parts: Parts, project: Project, name: str, engine: Engine) -> Opener:
    """Opens images as this engine is to see them in this project: with examples and predictions, as in the loop.

    An image that the first engine has not looked at yet stands alone; so do all of them for the first engine.
    """
    use = use_of(project, name)
    pool = load_pool(parts, project) if use is not None else None
    current = current_predictions(parts, project, pool) if pool is not None and len(pool) else None

    def open_items(images: Sequence[PendingImage], looked: Looked) -> Items:
        opened = open_pictures(parts, images, looked)
        if use is None or pool is None or current is None:
            return [_alone(image, picture) for image, picture in opened]
        ready = pool.rows_of(np.array([image.id for image, _ in opened], np.int64)) >= 0
        known = [pair for pair, is_ready in zip(opened, ready, strict=True) if is_ready]
        others = [pair for pair, is_ready in zip(opened, ready, strict=True) if not is_ready]
        place, in_texts = place_of(project, name), bool(getattr(engine, "needs_text_space", False))
        items = items_for(parts, project, pool, current, known, place=place, shots=use.examples, text_space=in_texts)
        return [*items, *(_alone(image, picture) for image, picture in others)]

    return open_items


def _alone(image: PendingImage, picture: Image.Image) -> tuple[PendingImage, Item]:
    return image, Item(picture, image.text, key=image.content_hash)

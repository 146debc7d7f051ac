"""Lets engines look at images of a project outside the loop: by name, without writing a prelabel, saying how far it is.

In: a project and the name of an engine, used by its policy or not. Out: its answers by image. What one image or one
engine cannot do costs only itself; what was paid for stays in the book of calls and is not paid again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from db.repositories.prelabels import PendingImage
from labeling.prelabel.engine import Engine, Item
from labeling.types import EngineUse, ImageId, Prelabel, Project
from service.work.engines import make_engine
from service.work.looks import Looked, look_at, open_pictures
from service.work.wiring import Parts

__all__ = [
    "Items",
    "Opener",
    "Progress",
    "answers_of",
    "currency_of",
    "engines_of",
    "let_look",
    "load",
    "opener",
    "use_of",
    "why_not",
]

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
    """The engine of this name: the warm one where the project uses it, else one that nobody keeps."""
    use = use_of(project, name)
    if name in engines_of(project):
        return parts.engine_for(project) if use is None else parts.engine_for(project, use)
    return make_engine(project, parts.settings, use, parts.database)


def let_look(
    engine: Engine, images: Sequence[PendingImage], open_items: Opener, project: Project, progress: Progress, what: str
) -> Looked:
    """Look at all of them, some at once; stops at a spent budget or a silent endpoint with what it has."""
    looked = Looked()
    for start in range(0, len(images), AT_ONCE):
        progress(what, start, len(images))
        items = open_items(images[start : start + AT_ONCE], looked)
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


def opener(parts: Parts, project: Project, name: str) -> Opener:
    """Opens images as this engine is to see them in this project."""

    def open_items(images: Sequence[PendingImage], looked: Looked) -> Items:
        opened = open_pictures(parts, images, looked)
        return [(image, Item(picture, image.text, key=image.content_hash)) for image, picture in opened]

    return open_items

"""Runs engines on images of a project outside the loop: by name, with progress, and without writing a prelabel.

In: a project and the name of an engine, used by its policy or not. Out: its answers by image. A failure of one image or
one engine leaves the others; what was paid for is in the call ledger and is not paid again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from db.repositories.engines.prelabels import PendingImage
from labeling.prelabel.engine import Engine, Item
from labeling.prelabel.picture_size import picture_size
from labeling.project import EngineUse, Project
from labeling.slices import slices
from labeling.types import ImageId, Prelabel
from service.work.engines.factory import make_engine
from service.work.pool.pool import Pool, load_pool
from service.work.pool.predictions import CurrentPredictions, current_predictions
from service.work.prelabel.engine_inputs import as_known, items_for
from service.work.prelabel.inference import InferenceResult, item_of, open_images, run_inference
from service.work.wiring import Parts

AT_ONCE = 16
"""Images between two reports of progress: enough for a model's batch, few enough to stop soon."""

Items = list[tuple[PendingImage, Item]]
Progress = Callable[[str, int, int], None]
"""Called with what is done, how much of it is finished, and how much there is."""


def unwatched(what: str, done: int, of: int) -> None:
    """Progress that is not displayed."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """One engine of a project and what its inputs are made of.

    `place` is 0 for the first engine, then the place in the escalation; an engine that the project does not use comes
    after all others. `pool` and `predictions` are None for the first engine, and while the pool is empty.
    """

    parts: Parts
    project: Project
    name: str
    engine: Engine
    use: EngineUse | None
    place: int
    pool: Pool | None
    predictions: CurrentPredictions | None

    def open_items(self, images: Sequence[PendingImage], output: InferenceResult) -> Items:
        """Make images into inputs, with examples and predictions as in the loop; failures are noted in `output`.

        An image without a prelabel of the first engine gets neither; nor does any image of the first engine.
        """
        opened = open_images(self.parts, images, output, picture_size(self.engine))
        items: Items = []
        if self.use is not None and self.pool is not None and self.predictions is not None:
            ready = self.pool.rows_of(np.array([image.id for image, _ in opened], np.int64)) >= 0
            items = items_for(
                self.parts,
                self.project,
                self.pool,
                self.predictions,
                [pair for pair, is_ready in zip(opened, ready, strict=True) if is_ready],
                place=self.place,
                shots=self.use.examples,
                text_space=bool(getattr(self.engine, "needs_text_space", False)),
            )
            opened = [pair for pair, is_ready in zip(opened, ready, strict=True) if not is_ready]
        return [*items, *((image, item_of(self.parts, image, picture)) for image, picture in opened)]

    def infer(
        self,
        images: Sequence[PendingImage],
        progress: Progress = unwatched,
        change: Callable[[Item], Item] = lambda item: item,
    ) -> InferenceResult:
        """Ask the engine about these images, each input after `change`; a spent budget or silent endpoint ends it."""
        output = InferenceResult()
        for some in slices(len(images), AT_ONCE):
            progress(self.name, some.start, len(images))
            items = [(image, change(item)) for image, item in self.open_items(images[some], output)]
            run_inference(self.engine, items, len(self.project.config.labels), self.project.config_version, output)
            if output.away or output.refused:
                break
        progress(self.name, len(images), len(images))
        return output


def prepare(parts: Parts, project: Project, name: str) -> DryRun:
    """Load the engine of this name, and what its inputs are made of."""
    policy, use, engine = project.config.policy, use_of(project, name), load(parts, project, name)
    names = [policy.engine, *(use.engine for use in policy.escalation)]
    place = names.index(name) if name in names else len(names)
    pool = None if use is None else load_pool(parts, project)
    if pool is None or not len(pool):
        return DryRun(parts, project, name, engine, use, place, None, None)
    return DryRun(parts, project, name, engine, use, place, pool, current_predictions(parts, project, pool))


def engines_of(project: Project) -> list[str]:
    """The engines that the project uses, in the order of escalation."""
    policy = project.config.policy
    return list(dict.fromkeys([policy.engine, *(use.engine for use in policy.escalation)]))


def currency_of(project: Project) -> str:
    """The currency of the project's budget."""
    budget = project.config.policy.budget
    return budget.currency if budget else "USD"


def use_of(project: Project, name: str) -> EngineUse | None:
    """How the project uses an engine; None for its first. An engine that it does not use gets the first one's texts."""
    policy = project.config.policy
    if name == policy.engine:
        return None
    used = next((use for use in policy.escalation if use.engine == name), None)
    return used or EngineUse(name, policy.templates, below_margin=1.0)


def load(parts: Parts, project: Project, name: str) -> Engine:
    """The engine of this name: the loaded one where the project uses it, else a new one that is not kept.

    One that learns from labels or texts is made from those of now; before there are enough, it is returned as it is.
    """
    use = use_of(project, name)
    if name in engines_of(project):
        engine = parts.engine_for(project) if use is None else parts.engine_for(project, use)
    else:
        engine = make_engine(project, parts.settings, use, parts.database)
    return as_known(parts, project, engine) or engine


def answers_of(output: InferenceResult) -> dict[ImageId, Prelabel]:
    """The engine's answers, by image."""
    return {one.image.id: one.prelabel for one in output.outputs}


def why_not(output: InferenceResult) -> str:
    """The first reason for which images have no answer; empty where all have one."""
    away = [output.away.message] if output.away else []
    return next(iter([*away, *output.refused.values(), *output.final.values(), *output.failed.values()]), "")

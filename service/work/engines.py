"""Makes a project's engines by the names in its policy.

In: a project, how it uses the engine, the settings. Out: an engine, loaded and warm; whoever asks keeps it. What an
engine needs and is not installed is an error that says what to type. Heavy libraries are imported by the engine that
needs them, so that a worker starts quickly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import sqlalchemy as sa

from labeling.errors import Invalid
from labeling.prelabel.engine import Engine, EngineOrder
from labeling.prelabel.scripted import ScriptedEngine
from labeling.types import EngineUse, Project, ProjectId
from service.settings import Settings

__all__ = ["ENGINES", "Kind", "Means", "first_use", "make_engine"]


@dataclass(frozen=True, slots=True)
class Means:
    """What this installation gives an engine to work with. Without a database no endpoint can be asked."""

    settings: Settings
    project_id: ProjectId
    database: sa.Engine | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of engine: what it is in a line, what stands after the colon (empty: nothing), and who makes it."""

    summary: str
    model: str
    make: Callable[[EngineOrder, Means], Engine]


def first_use(project: Project) -> EngineUse:
    """How the project uses the engine that looks at every image."""
    policy = project.config.policy
    return EngineUse(policy.engine, policy.templates, below_margin=1.0)


def make_engine(
    project: Project, settings: Settings, use: EngineUse | None = None, database: sa.Engine | None = None
) -> Engine:
    """The engine that a use names, `name` or `name:model`; the project's first where none is given.

    Raises
    ------
    Invalid
        When there is no such engine (it names those that exist), or its model cannot be loaded.
    """
    use = use or first_use(project)
    name, _, model = use.engine.partition(":")
    if name not in ENGINES:
        raise Invalid(f"There is no engine {name!r}. Write one of these into `policy: engine:`: {', '.join(ENGINES)}.")
    kind = ENGINES[name]
    if bool(model) != bool(kind.model):
        way_out = f"{name}:MODEL, {kind.model}" if kind.model else name
        raise Invalid(f"The engine {use.engine!r} cannot be: write `policy: engine: {way_out}`.")
    config = project.config
    order = EngineOrder(config.labels, config.guidelines, use, model, project.config_version)
    return kind.make(order, Means(settings, project.id, database))


def _bundled(order: EngineOrder, means: Means) -> Engine:
    from labeling.adapters import model_files
    from labeling.prelabel.bundled import BundledEngine, KnownClasses, known_class_text

    _limit_threads(means.settings)
    models = means.settings.home / "models"
    sentences = model_files.load_bundled_sentences()
    classes = model_files.imagenet_classes()
    texts = [known_class_text(name, description) for name, description in classes]
    vectors = model_files.kept_vectors(models, sentences.name, texts, sentences.encode)
    known = KnownClasses([name for name, _ in classes], texts, vectors)
    images = model_files.load_bundled_images(models)
    return BundledEngine(order.labels, images, sentences, known, perf_counter)


def _dual_encoder(order: EngineOrder, means: Means) -> Engine:
    from labeling.adapters.model_files import load_dual_encoder
    from labeling.prelabel.dual_encoder import DualEncoderEngine

    _limit_threads(means.settings)
    return DualEncoderEngine(order.model, order.labels, load_dual_encoder(order.model), perf_counter)


def _scripted(order: EngineOrder, means: Means) -> Engine:
    return ScriptedEngine(order.classes)


def _limit_threads(settings: Settings) -> None:
    import torch

    if settings.torch_threads:
        torch.set_num_threads(settings.torch_threads)


A_MODEL = "a name on the hub or a folder's absolute path"

ENGINES = {
    "bundled": Kind("zero-shot, by an ImageNet network and a sentence encoder that come along", "", _bundled),
    "dual-encoder": Kind("zero-shot, by a CLIP, a SigLIP or the like", A_MODEL, _dual_encoder),
    "scripted": Kind("no model: by mean colour; for tests and dry runs", "", _scripted),
}
"""Those of our own, by name."""

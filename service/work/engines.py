"""Makes a project's engine by the name in its policy.

In: a project and the settings. Out: an engine, loaded and warm; whoever asks keeps it. What an engine needs and is
not installed is an error that says what to type. Heavy libraries are imported by the engine that needs them, so that
a worker starts quickly.
"""

from __future__ import annotations

from time import perf_counter

from labeling.errors import Invalid
from labeling.prelabel.engine import Engine
from labeling.prelabel.scripted import ScriptedEngine
from labeling.types import Project
from service.settings import Settings

__all__ = ["ENGINES", "make_engine"]


def make_engine(project: Project, settings: Settings) -> Engine:
    """The engine that the project's policy names, `name` or `name:model`; Invalid names those that exist."""
    name, _, model = project.config.policy.engine.partition(":")
    if name not in ENGINES:
        raise Invalid(f"There is no engine {name!r}. Write one of these into `policy: engine:`: {', '.join(ENGINES)}.")
    if bool(model) != (name in WITH_MODEL):
        way_out = f"{name}:MODEL, a name on the hub or a folder's absolute path" if name in WITH_MODEL else name
        raise Invalid(f"The engine {project.config.policy.engine!r} cannot be: write `policy: engine: {way_out}`.")
    return ENGINES[name](project, settings, model)


def _bundled(project: Project, settings: Settings, _: str) -> Engine:
    from labeling.adapters import model_files
    from labeling.prelabel.bundled import BundledEngine, KnownClasses, known_class_text

    _limit_threads(settings)
    models = settings.home / "models"
    sentences = model_files.load_bundled_sentences()
    classes = model_files.imagenet_classes()
    texts = [known_class_text(name, description) for name, description in classes]
    vectors = model_files.kept_vectors(models, sentences.name, texts, sentences.encode)
    known = KnownClasses([name for name, _ in classes], texts, vectors)
    images = model_files.load_bundled_images(models)
    return BundledEngine(project.config.labels, images, sentences, known, perf_counter)


def _dual_encoder(project: Project, settings: Settings, model: str) -> Engine:
    from labeling.adapters.model_files import load_dual_encoder
    from labeling.prelabel.dual_encoder import DualEncoderEngine

    _limit_threads(settings)
    return DualEncoderEngine(model, project.config.labels, load_dual_encoder(model), perf_counter)


def _scripted(project: Project, settings: Settings, _: str) -> Engine:
    return ScriptedEngine(project.config.classes)


def _limit_threads(settings: Settings) -> None:
    import torch

    if settings.torch_threads:
        torch.set_num_threads(settings.torch_threads)


ENGINES = {"bundled": _bundled, "scripted": _scripted, "dual-encoder": _dual_encoder}
WITH_MODEL = {"dual-encoder"}
"""Those that are written with a model's name after a colon."""

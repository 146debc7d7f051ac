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
    """The engine that the project's policy names; Invalid names those that exist."""
    name = project.config.policy.engine
    if name not in ENGINES:
        raise Invalid(f"There is no engine {name!r}. Write one of these into `policy: engine:`: {', '.join(ENGINES)}.")
    return ENGINES[name](project, settings)


def _bundled(project: Project, settings: Settings) -> Engine:
    import torch

    from labeling.adapters import model_files
    from labeling.prelabel.bundled import BundledEngine, KnownClasses, known_class_text

    if settings.torch_threads:
        torch.set_num_threads(settings.torch_threads)
    models = settings.home / "models"
    sentences = model_files.load_bundled_sentences()
    classes = model_files.imagenet_classes()
    texts = [known_class_text(name, description) for name, description in classes]
    vectors = model_files.kept_vectors(models, sentences.name, texts, sentences.encode)
    known = KnownClasses([name for name, _ in classes], texts, vectors)
    images = model_files.load_bundled_images(models)
    return BundledEngine(project.config.labels, images, sentences, known, perf_counter)


def _scripted(project: Project, settings: Settings) -> Engine:
    return ScriptedEngine(project.config.classes)


ENGINES = {"bundled": _bundled, "scripted": _scripted}

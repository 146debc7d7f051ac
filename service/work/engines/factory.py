"""Makes a project's engines by the names in its policy.

In: a project, how it uses the engine, the settings. Out: an engine, loaded and warm; whoever asks keeps it. What an
engine needs and is not installed is an error that says what to type. Heavy libraries are imported by the engine that
needs them, so that a worker starts quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

import sqlalchemy as sa

from labeling.errors import Invalid
from labeling.prelabel.encoders.towers import TextTower
from labeling.prelabel.engine import Engine, EngineOrder
from labeling.prelabel.engines.few_shot import FewShotEngine
from labeling.prelabel.engines.projected import ProjectedEngine
from labeling.prelabel.engines.scripted import ScriptedEngine
from labeling.project import EngineUse, Policy, Project
from labeling.types import ProjectId
from service import plugins
from service.settings import Settings
from service.work.engines.bundled_encoder import bundled_images, device_of
from service.work.engines.encoders import give_encoders, text_tower, texts_of
from service.work.engines.guards import guard

__all__ = ["ENGINES", "Kind", "Means", "first_use", "make_engine"]


@dataclass(frozen=True, slots=True)
class Means:
    """What this installation gives an engine to work with. Without a database no endpoint can be asked."""

    settings: Settings
    project_id: ProjectId
    database: sa.Engine | None = None
    policy: Policy = field(default_factory=Policy)


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
    wanted = use or first_use(project)
    name, _, model = wanted.engine.partition(":")
    config = project.config
    order = EngineOrder(config.labels, config.guidelines, wanted, model, project.config_version)
    means = Means(settings, project.id, database, config.policy)
    if settings.local_only:
        from labeling.adapters.models.checkpoints import stay_offline

        stay_offline()
    engine = guard(_kind(name, model).make(order, means), name, order, means)
    return engine if use else give_encoders(engine, config.policy, settings)


def _kind(name: str, model: str) -> Kind:
    """The kind of this name, one of our own before a plug-in's."""
    if name not in ENGINES:
        return Kind("a plug-in", model, _plugged_in(plugins.check_name(plugins.ENGINES, name)))
    kind = ENGINES[name]
    if bool(model) != bool(kind.model):
        way_out = f"{name}:MODEL, {kind.model}" if kind.model else name
        raise Invalid(f"The engine {name}{':' + model if model else ''} cannot be: write `engine: {way_out}`.")
    return kind


def _plugged_in(name: str) -> Callable[[EngineOrder, Means], Engine]:
    """Makes a plug-in's engine: its entry point is called with the order alone."""

    def make(order: EngineOrder, means: Means) -> Engine:
        engine: Engine = plugins.load_plugin(plugins.ENGINES, name)(order)
        lacks = [part for part in ENGINE_PARTS if not hasattr(engine, part)]
        if lacks:
            raise Invalid(f"The plug-in {name!r} made an engine without {', '.join(lacks)}; see its how-to page.")
        return engine

    return make


def _bundled(order: EngineOrder, means: Means) -> Engine:
    from labeling.adapters.models import model_files
    from labeling.prelabel.engines.bundled import BundledEngine, KnownClasses, known_class_text

    _limit_threads(means.settings)
    models = means.settings.home / "models"
    sentences = model_files.load_bundled_sentences()
    classes = model_files.imagenet_classes()
    texts = [known_class_text(name, description) for name, description in classes]
    vectors = model_files.kept_vectors(models, sentences.name, texts, sentences.encode)
    known = KnownClasses([name for name, _ in classes], texts, vectors)
    images = bundled_images(means.settings)
    return BundledEngine(order.labels, images, sentences, known, perf_counter, order.use, order.config_version)


def _dual_encoder(order: EngineOrder, means: Means) -> Engine:
    from labeling.adapters.models.model_files import kept_vectors, load_dual_encoder
    from labeling.prelabel.engines.dual_encoder import DualEncoderEngine

    _limit_threads(means.settings)
    models, encoder = means.settings.home / "models", load_dual_encoder(order.model, device_of(means.settings))
    texts = TextTower(
        encoder.text_name, lambda texts: kept_vectors(models, encoder.text_name, texts, encoder.encode_texts)
    )
    return DualEncoderEngine(order.model, order.labels, encoder, perf_counter, order.use, order.config_version, texts)


def _few_shot(order: EngineOrder, means: Means) -> Engine:
    _only_in_the_escalation(order, means)
    if not order.use.examples:
        raise Invalid("`few-shot` needs labelled images to look at: write `examples: 4` beside it.")
    return FewShotEngine(order.classes, order.config_version, perf_counter)


def _projected(order: EngineOrder, means: Means) -> Engine:
    _only_in_the_escalation(order, means)
    _limit_threads(means.settings)
    texts = text_tower(texts_of(means.policy), means.settings)
    return ProjectedEngine(order.labels, order.use, texts, order.config_version, perf_counter)


def _vlm(order: EngineOrder, means: Means) -> Engine:
    from labeling.adapters.models.generative_files import hardware_for, load_picture_model
    from labeling.prelabel.engines.generative import GenerativeEngine

    _limit_threads(means.settings)
    hardware = hardware_for(means.settings.device, means.settings.dtype)
    return GenerativeEngine(order, load_picture_model(order.model, hardware), perf_counter)


def _described(order: EngineOrder, means: Means) -> Engine:
    from labeling.adapters.models.generative_files import hardware_for, load_language_model
    from labeling.prelabel.engines.described import DescribedEngine

    _only_in_the_escalation(order, means)
    _limit_threads(means.settings)
    hardware = hardware_for(means.settings.device, means.settings.dtype)
    return DescribedEngine(order, load_language_model(order.model, hardware), perf_counter)


def _agent(order: EngineOrder, means: Means) -> Engine:
    with _agent_extra():
        from service.work.engines.endpoint_engines import make_agent
    return make_agent(order, means)


def _decide(order: EngineOrder, means: Means) -> Engine:
    with _agent_extra():
        from service.work.engines.endpoint_engines import make_decider
    return make_decider(order, means)


@contextmanager
def _agent_extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        way_out = "Type: pip install 'hardcase[agent]'"
        raise Invalid(f"Asking an endpoint needs a package that is not installed ({error.name}). {way_out}") from error


def _scripted(order: EngineOrder, means: Means) -> Engine:
    return ScriptedEngine(order.classes, templates=order.use.templates)


def _only_in_the_escalation(order: EngineOrder, means: Means) -> None:
    """Some engines never see a picture, so they cannot be the one that looks at every image."""
    if means.policy.engine == order.use.engine:
        raise Invalid(
            f"`{order.use.engine}` cannot be a project's first engine: it starts from what another says. Write another "
            f"as `engine`, and `- engine: {order.use.engine}` under `escalation`."
        )


def _limit_threads(settings: Settings) -> None:
    import torch

    if settings.torch_threads:
        torch.set_num_threads(settings.torch_threads)


ENGINE_PARTS = ("name", "revision", "image_encoder", "text_encoder", "look")
A_MODEL = "a name on the hub or a folder's absolute path"
A_WRITER = f"{A_MODEL}, or a GGUF file"
AT_AN_ENDPOINT = "ENDPOINT/MODEL, an endpoint of endpoints.yaml and a model there"

ENGINES = {
    "agent": Kind("a model behind a chat endpoint that looks again and gives its reason", AT_AN_ENDPOINT, _agent),
    "bundled": Kind("zero-shot, by an ImageNet network and a sentence encoder that come along", "", _bundled),
    "dual-encoder": Kind("zero-shot, by a CLIP, a SigLIP or the like", A_MODEL, _dual_encoder),
    "decide": Kind("an endpoint that returns a probability for each label", AT_AN_ENDPOINT, _decide),
    "described": Kind("a language model over what others wrote of the image; in the escalation", A_WRITER, _described),
    "few-shot": Kind("no model: an opinion moved by the nearest labelled images; in the escalation", "", _few_shot),
    "projected": Kind("an opinion moved by the project's own texts; in the escalation", "", _projected),
    "vlm": Kind("a vision-language model of your own: how likely each label is as its answer", A_MODEL, _vlm),
    "scripted": Kind("no model: by mean colour; for tests and dry runs", "", _scripted),
}
"""Those of our own, by name."""

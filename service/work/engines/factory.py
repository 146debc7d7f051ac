"""Makes a project's engines by the names in its policy.

In: a project, how it uses the engine, the settings. Out: an engine, loaded; the caller keeps it. If a package that
an engine needs is not installed, the error says what to type. Heavy libraries are imported by the engine that needs
them, so that a worker starts quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter

import sqlalchemy as sa

from labeling.errors import Invalid
from labeling.loading import loading
from labeling.prelabel.encoders.towers import TextTower
from labeling.prelabel.engine import Engine, EngineOrder
from labeling.prelabel.engines.few_shot import FewShotEngine
from labeling.prelabel.engines.projected import ProjectedEngine
from labeling.prelabel.engines.scripted import ScriptedEngine
from labeling.project import EngineUse, Project
from service import plugins
from service.engines.kinds import KINDS, kind_of
from service.settings import Settings
from service.work.engines.bundled_encoder import bundled_images, device_of
from service.work.engines.encoders import give_encoders, text_tower, texts_of
from service.work.engines.guards import guard
from service.work.engines.means import Means, first_use

Maker = Callable[[EngineOrder, Means], Engine]


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
    config, model = project.config, wanted.engine.partition(":")[2]
    order = EngineOrder(config.labels, config.guidelines, wanted, model, project.config_version)
    means = Means(settings, project.id, database, config.policy)
    if settings.local_only:
        with loading:
            from labeling.adapters.models.checkpoints import stay_offline

        stay_offline()
    engine = guard(_maker(order, means)(order, means), wanted.engine, order, means)
    return engine if use else give_encoders(engine, config.policy, settings)


def _maker(order: EngineOrder, means: Means) -> Maker:
    """The maker of an engine of this kind, our own before a plug-in's; Invalid where the project cannot have it."""
    kind = kind_of(order.use.engine)
    if kind.name not in MAKERS:
        return _plugged_in(plugins.check_name(plugins.ENGINES, kind.name))
    if bool(order.model) != bool(kind.model):
        way_out = f"{kind.name}:MODEL, {kind.model}" if kind.model else kind.name
        raise Invalid(f"There is no engine {order.use.engine}: write `engine: {way_out}`.")
    if not kind.first and means.policy.engine == order.use.engine:
        raise Invalid(
            f"`{order.use.engine}` cannot be a project's first engine: it starts from the answers of another. Write "
            f"another as `engine`, and `- engine: {order.use.engine}` under `escalation`."
        )
    if order.use.picture_side and not kind.sized:
        sized = ", ".join(one.name for one in KINDS.values() if one.sized)
        raise Invalid(
            f"`{order.use.engine}` takes pictures in its model's size: leave `picture_side` out. It is for {sized}."
        )
    if order.use.label_map and not kind.mapped:
        raise Invalid(f"`{order.use.engine}` has no labels of its own: leave `label_map` out. It is for `classifier`.")
    if "torch" in kind.modules:
        _limit_threads(means.settings)
    return MAKERS[kind.name]


def _plugged_in(name: str) -> Maker:
    """Makes a plug-in's engine: its entry point is called with the order alone."""

    def make(order: EngineOrder, means: Means) -> Engine:
        engine: Engine = plugins.load_plugin(plugins.ENGINES, name)(order)
        lacks = [part for part in ENGINE_PARTS if not hasattr(engine, part)]
        if lacks:
            raise Invalid(f"The plug-in {name!r} made an engine without {', '.join(lacks)}; see its how-to page.")
        return engine

    return make


def _bundled(order: EngineOrder, means: Means) -> Engine:
    with loading:
        from labeling.adapters.models import model_files
        from labeling.prelabel.engines.bundled import BundledEngine, KnownClasses, known_class_text

    models = means.settings.home / "models"
    sentences = model_files.load_bundled_sentences()
    classes = model_files.imagenet_classes()
    texts = [known_class_text(name, description) for name, description in classes]
    vectors = model_files.kept_vectors(models, sentences.name, texts, sentences.encode)
    known = KnownClasses([name for name, _ in classes], texts, vectors)
    images = bundled_images(means.settings)
    return BundledEngine(order.labels, images, sentences, known, perf_counter, order.use, order.config_version)


def _dual_encoder(order: EngineOrder, means: Means) -> Engine:
    with loading:
        from labeling.adapters.models.model_files import kept_vectors, load_dual_encoder
        from labeling.prelabel.engines.dual_encoder import DualEncoderEngine

    models, encoder = means.settings.home / "models", load_dual_encoder(order.model, device_of(means.settings))
    texts = TextTower(
        encoder.text_name, lambda texts: kept_vectors(models, encoder.text_name, texts, encoder.encode_texts)
    )
    return DualEncoderEngine(order.model, order.labels, encoder, perf_counter, order.use, order.config_version, texts)


def _classifier(order: EngineOrder, means: Means) -> Engine:
    with loading:
        from labeling.adapters.models.classifier_files import load_image_classifier
        from labeling.prelabel.engines.image_classifier import ImageClassifierEngine

    return ImageClassifierEngine(order, load_image_classifier(order.model, device_of(means.settings)), perf_counter)


def _few_shot(order: EngineOrder, means: Means) -> Engine:
    if not order.use.examples:
        raise Invalid("`few-shot` needs labelled images as examples: write `examples: 4` beside it.")
    return FewShotEngine(order.classes, order.config_version, perf_counter)


def _projected(order: EngineOrder, means: Means) -> Engine:
    texts = text_tower(texts_of(means.policy), means.settings)
    return ProjectedEngine(order.labels, order.use, texts, order.config_version, perf_counter)


def _vlm(order: EngineOrder, means: Means) -> Engine:
    with loading:
        from labeling.adapters.models.generative_files import hardware_for, load_picture_model
        from labeling.prelabel.engines.generative import GenerativeEngine

    hardware = hardware_for(means.settings.device, means.settings.dtype)
    return GenerativeEngine(order, load_picture_model(order.model, hardware), perf_counter)


def _described(order: EngineOrder, means: Means) -> Engine:
    with loading:
        from labeling.adapters.models.generative_files import hardware_for, load_language_model
        from labeling.prelabel.engines.described import DescribedEngine

    hardware = hardware_for(means.settings.device, means.settings.dtype)
    return DescribedEngine(order, load_language_model(order.model, hardware), perf_counter)


def _at_an_endpoint(order: EngineOrder, means: Means) -> Engine:
    kind = kind_of(order.use.engine)
    try:
        with loading:
            from service.work.engines.endpoint_engines import make_agent, make_decider
    except ModuleNotFoundError as error:
        raise Invalid(
            f"Asking an endpoint needs a package that is not installed ({error.name}). {kind.install}"
        ) from error
    return (make_decider if kind.endpoint == "decide" else make_agent)(order, means)


def _scripted(order: EngineOrder, means: Means) -> Engine:
    return ScriptedEngine(order.classes, templates=order.use.templates)


def _limit_threads(settings: Settings) -> None:
    with loading:
        import torch

    if settings.torch_threads:
        torch.set_num_threads(settings.torch_threads)


ENGINE_PARTS = ("name", "revision", "image_encoder", "text_encoder", "look")
MAKERS: Mapping[str, Maker] = {
    "agent": _at_an_endpoint,
    "bundled": _bundled,
    "classifier": _classifier,
    "decide": _at_an_endpoint,
    "described": _described,
    "dual-encoder": _dual_encoder,
    "few-shot": _few_shot,
    "projected": _projected,
    "scripted": _scripted,
    "vlm": _vlm,
}
"""The maker of each kind of `service.engines.kinds`."""

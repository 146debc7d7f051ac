"""The encoders that a project names beside its first engine, loaded; and the bundled ones where the engine has none.

In: an engine and a policy. Out: an engine that gives vectors. `policy: image_encoder:` is `bundled` or
`backbone:MODEL`, `policy: text_encoder:` is `bundled` or `sentences:MODEL`; a dual encoder's tower serves for either.
"""

from __future__ import annotations

from labeling.errors import Invalid
from labeling.loading import loading
from labeling.prelabel.encoders.towers import ImageTower, TextTower, with_encoders
from labeling.prelabel.engine import Engine
from labeling.project import Policy
from service.engines.kinds import kind_of
from service.settings import Settings
from service.work.engines.bundled_encoder import bundled_images, device_of

BUNDLED = "bundled"


def give_encoders(engine: Engine, policy: Policy, settings: Settings) -> Engine:
    """The engine with the encoders that the policy names; where it names none and the engine has none, the bundled."""
    images = policy.image_encoder or ("" if engine.image_encoder else BUNDLED)
    texts = policy.text_encoder or ("" if engine.text_encoder else BUNDLED)
    return with_encoders(
        engine,
        _image_tower(images, settings) if images else None,
        text_tower(texts, settings) if texts else None,
    )


def _image_tower(name: str, settings: Settings) -> ImageTower:
    """The encoder of images that a name stands for.

    Raises
    ------
    Invalid
        When there is no such encoder, or its model cannot be loaded.
    """
    kind, _, model = name.partition(":")
    if name == BUNDLED:
        encoder = bundled_images(settings)
        return ImageTower(encoder.name, lambda images: encoder.encode(images)[0])
    if kind == "backbone" and model:
        with loading:
            from labeling.adapters.models.backbone_files import load_backbone

        return load_backbone(model, device_of(settings))
    raise Invalid(f"There is no image encoder {name!r}. Write `image_encoder: backbone:MODEL` or `bundled`.")


def text_tower(name: str, settings: Settings) -> TextTower:
    """The encoder of texts that a name stands for.

    Raises
    ------
    Invalid
        When there is no such encoder, or its model cannot be loaded.
    """
    kind, _, model = name.partition(":")
    if name == BUNDLED:
        with loading:
            from labeling.adapters.models.model_files import load_bundled_sentences

        encoder = load_bundled_sentences()
        return TextTower(encoder.name, encoder.encode)
    if kind == "sentences" and model:
        with loading:
            from labeling.adapters.models.backbone_files import load_sentences

        return load_sentences(model, device_of(settings))
    raise Invalid(f"There is no text encoder {name!r}. Write `text_encoder: sentences:MODEL` or `bundled`.")


def texts_of(policy: Policy) -> str:
    """The name of the encoder of a project's text vectors, for an engine whose texts must be in the same space.

    Raises
    ------
    Invalid
        When the first engine has a text encoder that only it can run.
    """
    texts = kind_of(policy.engine).texts
    if policy.text_encoder or texts == BUNDLED:
        return policy.text_encoder or BUNDLED
    if texts == "sentences":
        return f"sentences:{policy.engine.partition(':')[2]}"
    raise Invalid(f"The texts of the engine {policy.engine!r} cannot be shared; write `policy: text_encoder: bundled`.")

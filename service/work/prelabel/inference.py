"""Runs an engine on images so that one bad image fails alone; prelabel and escalate share it.

In: an engine and images with their items. Out: the engine's outputs, and why there is none for the other images:
`failed` may be tried again, `final` may not, `refused` is over the budget or paused, and `away` says that something
outside does not answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from PIL import Image

from db.outages import outage_of
from db.repositories.engines.prelabels import PendingImage
from labeling.errors import EndpointSilent, EnginePaused, HardcaseError, Invalid, NotFound, OverBudget, Unavailable
from labeling.prelabel.encoders.decode import open_for_engine
from labeling.prelabel.engine import Engine, Item, Vectors, check_look
from labeling.prelabel.picture_size import OpenPicture, PictureSize
from labeling.types import ImageId, Prelabel
from service.work.wiring import Parts

READERS = 4
_REASON = 500


@dataclass(frozen=True, slots=True, eq=False)
class EngineOutput:
    """One image with the engine's output for it."""

    image: PendingImage
    prelabel: Prelabel
    image_vector: Vectors
    text_vector: Vectors | None


@dataclass(slots=True)
class InferenceResult:
    """The result of inference on some images, each of which is in at most one of these fields."""

    outputs: list[EngineOutput] = field(default_factory=list)
    failed: dict[ImageId, str] = field(default_factory=dict)
    final: dict[ImageId, str] = field(default_factory=dict)
    refused: dict[ImageId, str] = field(default_factory=dict)
    away: Unavailable | None = None


def opener(parts: Parts, content_hash: str) -> OpenPicture:
    """Opens this image in any size; BadImage or NotFound where its bytes are broken or gone."""
    return lambda size: open_for_engine(parts.images.shown(content_hash)[0], size)


def item_of(parts: Parts, image: PendingImage, picture: Image.Image) -> Item:
    """An item of an image alone, with nothing that other engines or people said."""
    return Item(picture, image.text, key=image.content_hash, open_at=opener(parts, image.content_hash))


def open_images(
    parts: Parts, images: Sequence[PendingImage], result: InferenceResult, size: PictureSize
) -> list[tuple[PendingImage, Image.Image]]:
    """Read and decode the images in the size that the engine asks for, some at once; one that cannot be read fails."""

    def open_one(image: PendingImage) -> Image.Image | str:
        try:
            return opener(parts, image.content_hash)(size)
        except (Invalid, NotFound) as error:
            return error.message

    with ThreadPoolExecutor(READERS) as pool:
        opened = list(zip(images, pool.map(open_one, images), strict=True))
    result.failed |= {image.id: found for image, found in opened if isinstance(found, str)}
    return [(image, found) for image, found in opened if isinstance(found, Image.Image)]


def run_inference(
    engine: Engine, items: Sequence[tuple[PendingImage, Item]], classes: int, version: int, result: InferenceResult
) -> None:
    """Run the engine on all of them and note the `result`; the configuration's `version` goes into the evidence.

    An engine with an `at_once` asks an endpoint: it gets single images, so many at the same time. Any other gets all of
    them at once, and each alone if that fails.
    """
    at_once: int = getattr(engine, "at_once", 0)
    if at_once:
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(lambda item: _infer_alone(engine, item, classes, version, result), items))
    elif items:
        try:
            result.outputs += _infer(engine, items, classes, version)
        except (HardcaseError, ValueError, RuntimeError):
            for item in items:
                _infer_alone(engine, item, classes, version, result)


def _infer_alone(
    engine: Engine, item: tuple[PendingImage, Item], classes: int, version: int, result: InferenceResult
) -> None:
    """Run the engine on one image, unless what it needs is known to be away."""
    if result.away is not None:
        return
    image = item[0].id
    try:
        result.outputs += _infer(engine, [item], classes, version)
    except (OverBudget, EnginePaused) as error:
        result.refused[image] = error.message
    except EndpointSilent as error:
        result.final[image] = error.message
    except Unavailable as error:
        result.away = error
    except (HardcaseError, ValueError, RuntimeError) as error:
        result.away = outage_of(error)
        if result.away is None:
            result.failed[image] = f"{type(error).__name__}: {error}"[:_REASON]


def _infer(
    engine: Engine, items: Sequence[tuple[PendingImage, Item]], classes: int, version: int
) -> list[EngineOutput]:
    output = check_look(engine.look([item for _, item in items]), items=len(items), classes=classes)
    return [
        EngineOutput(image, _signed(prelabel, version), image_vector, text_vector)
        for (image, _), prelabel, image_vector, text_vector in zip(
            items, output.prelabels, output.image_vectors, output.text_vectors, strict=True
        )
    ]


def _signed(prelabel: Prelabel, version: int) -> Prelabel:
    """With the version of the configuration that it was made under, where the engine did not say it."""
    if prelabel.evidence.config_version:
        return prelabel
    return replace(prelabel, evidence=replace(prelabel.evidence, config_version=version))

"""Lets an engine look at images so that one bad image costs only itself; prelabel and escalate share it.

In: an engine and images with their items. Out: what it saw, and why it did not see the rest: `failed` may be tried
again, `final` may not, `refused` was too dear or is paused, and `away` says that something outside does not answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from PIL import Image

from db.repositories.engines.prelabels import PendingImage
from labeling.errors import EndpointSilent, EnginePaused, HardcaseError, Invalid, NotFound, OverBudget, Unavailable
from labeling.prelabel.encoders.decode import open_shown
from labeling.prelabel.engine import Engine, Item, Vectors, check_look
from labeling.types import ImageId, Prelabel
from service.work.wiring import Parts

READERS = 4
_REASON = 500


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One image with what the engine made of it."""

    image: PendingImage
    prelabel: Prelabel
    image_vector: Vectors
    text_vector: Vectors | None


@dataclass(slots=True)
class Looked:
    """What came of looking at some images, each of which is in one of these places at most."""

    seen: list[Seen] = field(default_factory=list)
    failed: dict[ImageId, str] = field(default_factory=dict)
    final: dict[ImageId, str] = field(default_factory=dict)
    refused: dict[ImageId, str] = field(default_factory=dict)
    away: Unavailable | None = None


def open_pictures(
    parts: Parts, images: Sequence[PendingImage], looked: Looked
) -> list[tuple[PendingImage, Image.Image]]:
    """Read and decode the pictures, some at once; one that cannot be read fails."""

    def open_one(image: PendingImage) -> Image.Image | str:
        try:
            data, _ = parts.images.shown(image.content_hash)
            return open_shown(data)
        except (Invalid, NotFound) as error:
            return error.message

    with ThreadPoolExecutor(READERS) as pool:
        opened = list(zip(images, pool.map(open_one, images), strict=True))
    looked.failed |= {image.id: found for image, found in opened if isinstance(found, str)}
    return [(image, found) for image, found in opened if isinstance(found, Image.Image)]


def look_at(
    engine: Engine, items: Sequence[tuple[PendingImage, Item]], classes: int, version: int, looked: Looked
) -> None:
    """Look at all of them and note in `looked` what came of it; `version` of the configuration goes into the evidence.

    An engine with an `at_once` asks an endpoint: it is given single images, so many at the same time. Any other is
    given all of them, and each alone if that fails.
    """
    at_once: int = getattr(engine, "at_once", 0)
    if at_once:
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(lambda item: _look_alone(engine, item, classes, version, looked), items))
    elif items:
        try:
            looked.seen += _look(engine, items, classes, version)
        except (HardcaseError, ValueError, RuntimeError):
            for item in items:
                _look_alone(engine, item, classes, version, looked)


def _look_alone(engine: Engine, item: tuple[PendingImage, Item], classes: int, version: int, looked: Looked) -> None:
    """Look at one, unless what the engine needs is known to be away."""
    if looked.away is not None:
        return
    image = item[0].id
    try:
        looked.seen += _look(engine, [item], classes, version)
    except (OverBudget, EnginePaused) as error:
        looked.refused[image] = error.message
    except EndpointSilent as error:
        looked.final[image] = error.message
    except Unavailable as error:
        looked.away = error
    except (HardcaseError, ValueError, RuntimeError) as error:
        looked.failed[image] = f"{type(error).__name__}: {error}"[:_REASON]


def _look(engine: Engine, items: Sequence[tuple[PendingImage, Item]], classes: int, version: int) -> list[Seen]:
    look = check_look(engine.look([item for _, item in items]), items=len(items), classes=classes)
    return [
        Seen(image, _signed(prelabel, version), image_vector, text_vector)
        for (image, _), prelabel, image_vector, text_vector in zip(
            items, look.prelabels, look.image_vectors, look.text_vectors, strict=True
        )
    ]


def _signed(prelabel: Prelabel, version: int) -> Prelabel:
    """With the version of the configuration that it was made under, where the engine did not say it."""
    if prelabel.evidence.config_version:
        return prelabel
    return replace(prelabel, evidence=replace(prelabel.evidence, config_version=version))

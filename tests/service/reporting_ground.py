"""A project with real pictures that the scripted engine can look at, with labels: what reports start from."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import sqlalchemy as sa
from PIL import Image

from db.session import transaction
from labeling.adapters.storage.image_store import ImageStore
from labeling.prelabel.engine import Engine
from labeling.prelabel.engines.scripted import class_colour
from labeling.project import EngineUse, Policy, Project
from labeling.types import ImageId, LabelSource
from service.work.engines.factory import make_engine
from service.work.wiring import Parts
from tests import factories
from tests.service import labelled_pool

CLASSES = ("cat", "dog", "bird")


def parts_of(
    database: sa.Engine, home: Path, engine_for: Callable[..., Engine] | None = None, **settings: object
) -> Parts:
    """Parts whose engines are the real ones by name, unless the test brings its own."""
    parts = labelled_pool.make_parts(database, home)
    known = parts.settings.model_copy(update=settings)

    def by_name(project: Project, use: EngineUse | None = None) -> Engine:
        return make_engine(project, known, use, database)

    return replace(
        parts, settings=known, images=ImageStore(str(home / "media")), engine_for=cast(Any, engine_for or by_name)
    )


def add_pictures(
    parts: Parts, project: Project, n: int, *, reserved: bool = False, noise: float = 0.0, first: int = 0
) -> dict[ImageId, str]:
    """Store n pictures in the classes' colours, in turn, each a group of its own; their classes by image."""
    classes, rng, made = project.config.classes, np.random.default_rng(first), {}
    with transaction(parts.database) as session:
        for i in range(first, first + n):
            k = i % len(classes)
            colour = np.clip(np.array(class_colour(k, len(classes))) + rng.normal(0, noise, 3), 0, 255)
            data = picture(cast(Any, tuple(int(c) for c in colour)), i)
            key = f"{i:064x}"
            parts.images.keep(key, data, "image/png", None)
            size = {"width": 16, "height": 16, "size_bytes": len(data)}
            seen = {"text": f"picture {i}"}
            made[factories.image(session, project.id, key, reserved=reserved, **size, **seen)] = classes[k]
    return made


def picture(colour: tuple[int, int, int], seed: int = 0) -> bytes:
    made = Image.new("RGB", (16, 16), colour)
    made.putpixel((seed % 16, seed // 16 % 16), (0, 0, 0))
    out = io.BytesIO()
    made.save(out, "PNG")
    return out.getvalue()


def give_gold(parts: Parts, project: Project, labels: dict[ImageId, str]) -> None:
    """Labels that were given as the truth."""
    with transaction(parts.database) as session:
        for image, label in labels.items():
            factories.label(session, project.id, image, label, LabelSource.GOLD)


def escalating(*engines: str, **changes: Any) -> Policy:
    """A policy of the scripted engine with these after it, each at every image in doubt at all."""
    return replace(
        Policy(engine="scripted", escalation=tuple(EngineUse(e, below_margin=0.9) for e in engines)), **changes
    )


def names_in(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [row["engine"] for row in rows]


__all__ = ["CLASSES", "add_pictures", "escalating", "give_gold", "names_in", "parts_of", "picture"]

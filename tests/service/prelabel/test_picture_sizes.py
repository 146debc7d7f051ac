"""Every engine gets its pictures in the size that it asks for, an encoder beside it in its own; none is too narrow."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image, ImageDraw

from db.repositories.engines import probes
from db.session import transaction
from labeling.errors import Invalid
from labeling.prelabel.encoders.towers import ImageTower, with_encoders
from labeling.prelabel.engine import Engine, Item, Look
from labeling.prelabel.engines.scripted import ScriptedEngine
from labeling.prelabel.guards.counterfactual import guarded
from labeling.prelabel.picture_size import PictureSize, picture_size
from labeling.project import EngineUse, Policy, Project
from service.settings import Settings
from service.work.engines.factory import make_engine
from service.work.prelabel.prelabel import prelabel_batch
from service.work.wiring import Parts, make_parts
from tests import factories
from tests.conftest import NOW
from tests.scripted_endpoint import Answer, answering, called

MakeProject = Callable[..., Project]
CLASSES = ("cat", "dog")
ANSWER = {"reason": "ears", "label": "cat", "question": "", "confidence": "high"}


class Measuring(ScriptedEngine):
    """Keeps the sizes of its pictures."""

    def __init__(self, size: PictureSize | None) -> None:
        super().__init__(CLASSES)
        self.sizes: list[tuple[int, int]] = []
        if size is not None:
            self.picture_size = size

    def look(self, items: Sequence[Item]) -> Look:
        self.sizes += [item.image.size for item in items]
        return super().look(items)


def jpeg(size: tuple[int, int]) -> bytes:
    """With words that are a hundredth of its height."""
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).text((size[0] // 2, size[1] // 2), "4711", "black")
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95)
    return out.getvalue()


def keep(parts: Parts, project: Project, *files: bytes) -> None:
    with transaction(parts.database) as session:
        for data in files:
            digest = sha256(data).hexdigest()
            parts.images.keep(digest, data, "image/jpeg", None)
            more = {"width": 4_000, "height": 3_000, "text": None}
            factories.image(session, project.id, digest, **more)


@pytest.fixture
def parts(database: sa.Engine, tmp_path: Path) -> Parts:
    return make_parts(Settings(home=tmp_path, database_url=str(database.url), torch_threads=1))


@pytest.mark.parametrize(
    ("asked", "sizes"),
    [
        (None, [(1_000, 750), (64, 2_048)]),
        (PictureSize(1_024), [(2_000, 1_500), (64, 2_048)]),
        (PictureSize(longest=2_048), [(2_048, 1_536), (64, 2_048)]),
    ],
)
@pytest.mark.parametrize("wrapped", [lambda engine: engine, lambda engine: guarded(engine, CLASSES, share=0.0)])
def test_the_first_engine_gets_the_size_that_it_asks_for(
    parts: Parts,
    make_project: MakeProject,
    asked: PictureSize | None,
    sizes: list[tuple[int, int]],
    wrapped: Callable[[Engine], Engine],
) -> None:
    project = make_project(parts.database, classes=CLASSES, policy=Policy(engine="scripted"))
    engine = Measuring(asked)
    keep(parts, project, jpeg((4_000, 3_000)), jpeg((1, 20_000)))

    with_engine(parts, wrapped(engine), project)

    assert engine.sizes == sizes


def with_engine(parts: Parts, engine: Engine, project: Project) -> None:
    counts = prelabel_batch(replace(parts, engine_for=lambda project, use=None: engine), project.id)
    assert (counts["done"], counts["failed"]) == (2, 0)


@pytest.mark.parametrize("asked", [None, PictureSize(longest=256), PictureSize(longest=3_000)])
def test_an_encoder_beside_an_engine_gets_its_own_size_whatever_the_engine_asks_for(
    parts: Parts, make_project: MakeProject, asked: PictureSize | None
) -> None:
    sizes: list[tuple[int, int]] = []

    def encode(images: Sequence[Image.Image]) -> Any:
        sizes.extend(image.size for image in images)
        return np.eye(len(images), 8, dtype=np.float32)

    project = make_project(parts.database, classes=CLASSES, policy=Policy(engine="scripted"))
    keep(parts, project, jpeg((4_000, 3_000)), jpeg((640, 480)))

    engine = Measuring(asked)
    with_engine(parts, with_encoders(engine, ImageTower("tower", encode), None), project)

    assert sizes == [(1_000, 750), (640, 480)]
    assert picture_size(with_encoders(engine, ImageTower("tower", encode), None)) == (asked or PictureSize())


def test_an_agent_is_sent_the_size_of_the_project_and_a_closer_view_of_all_pixels(
    parts: Parts, make_project: MakeProject, tmp_path: Path
) -> None:
    sent: list[tuple[int, int]] = []
    replies = [called(("look_closer", {"left": 0.49, "top": 0.49, "right": 0.54, "bottom": 0.54})), *[answered()] * 9]

    def script(path: str, body: dict[str, Any]) -> Answer:
        found = [part for message in body["messages"] for part in message["content"] or [] if isinstance(part, dict)]
        sent[:] = [size_of(part["image_url"]["url"]) for part in found if part["type"] == "image_url"]
        return replies.pop(0)

    policy = Policy(engine="agent:here/m", picture_side=1_536)
    project = make_project(parts.database, classes=CLASSES, policy=policy)
    with answering(script) as endpoint:
        (tmp_path / "endpoints.yaml").write_text(f"endpoints: {{here: {{url: '{endpoint.url}', price: free}}}}")
        able = {"images": True, "tools": True, "json_schema": True}
        with transaction(parts.database) as session:
            probes.record(session, endpoint="here", model="m", url=endpoint.url, result=able, now=NOW)
        keep(parts, project, jpeg((4_000, 3_000)))

        counts = prelabel_batch(parts, project.id)

    assert (counts["done"], counts["failed"]) == (1, 0)
    assert sent == [(1_536, 1_152), (768, 576)]  # the part has 200 x 150 pixels of its own, not 50 x 38


def answered() -> Answer:
    return called(("answer", ANSWER))


def size_of(url: str) -> tuple[int, int]:
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).size


@pytest.mark.parametrize("name", ["bundled", "dual-encoder:/m", "described:/m", "few-shot", "scripted"])
def test_an_engine_whose_model_has_its_size_refuses_another(
    parts: Parts, make_project: MakeProject, tmp_path: Path, name: str
) -> None:
    with pytest.raises(Invalid, match="picture_side.*agent, decide, vlm"):
        make_engine(make_project(parts.database), parts.settings, EngineUse(name, picture_side=1_024))


def test_larger_pictures_come_in_smaller_batches() -> None:
    assert [PictureSize(longest=side).at_once(64) for side in (512, 1_024, 2_048, 4_096)] == [64, 64, 16, 4]
    assert PictureSize(longest=4_096).at_once(4) == 1

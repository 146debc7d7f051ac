"""Second pictures for annotators, by a tiny CLIPSeg loaded from a folder as any other is."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image

from db.repositories.projects import projects
from db.repositories.reviews import overlays
from db.repositories.running import failures
from db.session import reading, transaction
from db.tables import ImageRow, RegionRow
from labeling.adapters.models.region_files import load_region_finder
from labeling.adapters.storage.image_store import ImageStore
from labeling.errors import Invalid
from labeling.project import Policy, Project
from labeling.types import Actor, ReviewKind
from service.work.explain.regions import draw_regions
from service.work.wiring import Parts
from tests import factories
from tests.conftest import NOW
from tests.fakes_label_studio import FakeLabelStudio
from tests.reviewing import ask, make_parts, rows_of
from tests.tiny_clipseg import make_clipseg

KINDS = [ReviewKind.HARD, ReviewKind.HARD, ReviewKind.RANDOM]
PROBS = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]
NOTHING = {"done": 0, "failed": 0, "left": 0}


@pytest.fixture(scope="module")
def clipseg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clipseg(tmp_path_factory.mktemp("models") / "clipseg")


@dataclass
class World:
    """A project with two hard reviews and a blind one, whose images lie in the store."""

    parts: Parts
    project: Project
    reviews: list[int]

    def draw(self) -> dict[str, int]:
        return draw_regions(self.parts, self.project.id)

    def use(self, model: str) -> None:
        config = replace(self.project.config, policy=Policy(regions=model))
        with transaction(self.parts.database) as session:
            projects.configure(session, self.project.id, config, Actor("test", "test", NOW))


@pytest.fixture
def world(database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project], clipseg: Path) -> Iterator[World]:
    parts = make_parts(database, tmp_path, cast(Any, FakeLabelStudio()), now=lambda: NOW)
    parts = replace(parts, images=ImageStore(parts.settings.storage))
    project = make_project(database)
    with transaction(database) as session:
        made = ask(session, project, 1, KINDS, probs=PROBS)
        hashes = list(session.scalars(sa.text("SELECT content_hash FROM image ORDER BY id")))
        renamed = {old: f"{number:064x}" for number, old in enumerate(hashes)}
        for old, new in renamed.items():
            renaming = sa.update(ImageRow).where(ImageRow.content_hash == old).values(content_hash=new)
            session.execute(renaming)
    rng = np.random.default_rng(0)
    for name in renamed.values():
        pixels = Image.fromarray(rng.integers(0, 255, (24, 40, 3), dtype=np.uint8))
        out = io.BytesIO()
        pixels.save(out, "PNG")
        parts.images.keep(name, out.getvalue(), "image/png", None)
    world = World(parts, project, [int(review) for review in made])
    world.use(str(clipseg))
    yield world
    parts.jobs.close()


def test_a_tiny_clipseg_gives_a_map_of_the_images_size_that_depends_on_image_and_text(clipseg: Path) -> None:
    finder = load_region_finder(str(clipseg))
    rng = np.random.default_rng(1)
    one, other = (Image.fromarray(rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)) for _ in range(2))

    cat, dog, elsewhere = finder.find(one, "cat"), finder.find(one, "dog"), finder.find(other, "cat")

    assert cat.shape == (20, 30) and cat.min() >= 0 and cat.max() <= 1
    assert not np.allclose(cat, dog) and not np.allclose(cat, elsewhere)
    assert np.array_equal(cat, finder.find(one, "cat"))
    assert finder.revision == load_region_finder(str(clipseg)).revision


def test_every_review_that_shows_a_class_gets_its_picture_once_and_a_blind_one_none(world: World) -> None:
    first, again = world.draw(), world.draw()

    rows = rows_of(world.parts.database, RegionRow)
    assert (first, again) == ({"done": 2, "failed": 0, "left": 0}, NOTHING)
    assert {(row.review_id, row.answer) for row in rows} == {(world.reviews[0], "cat"), (world.reviews[1], "dog")}
    with reading(world.parts.database) as session:
        shown = [overlays.newest(session, cast(Any, review)) for review in world.reviews]
    assert shown[2] is None
    drawn = Image.open(io.BytesIO(world.parts.images.drawing(str(shown[0]))))
    assert (drawn.format, drawn.size) == ("JPEG", (40, 24))


def test_another_class_is_drawn_anew_and_the_newest_is_shown(world: World) -> None:
    world.draw()
    with transaction(world.parts.database) as session:
        image = session.scalar(sa.text("SELECT image_id FROM review ORDER BY id LIMIT 1"))
        factories.prelabel(session, image, [0.1, 0.1, 0.8], revision="test-2")

    again = world.draw()

    with reading(world.parts.database) as session:
        shown = overlays.newest(session, cast(Any, world.reviews[0]))
    newest = rows_of(world.parts.database, RegionRow)[-1]
    assert again["done"] == 1
    assert (newest.answer, newest.picture) == ("bird", shown)


def test_pictures_of_open_reviews_survive_the_tidying(world: World) -> None:
    world.draw()

    with reading(world.parts.database) as session:
        wanted = overlays.wanted(session)

    assert wanted == {row.picture for row in rows_of(world.parts.database, RegionRow)}


def test_a_model_that_cannot_be_loaded_is_a_failure_to_read_and_stops_nothing(world: World) -> None:
    world.use("/nowhere/at/all")

    counts = [world.draw() for _ in range(4)]

    with reading(world.parts.database) as session:
        (failure,) = failures.listing(session, world.project.id)
    assert counts == [NOTHING] * 4
    assert (failure.step, failure.count, failure.dead) == ("regions", 3, True)
    assert "/nowhere/at/all" in failure.reason


def test_an_image_whose_bytes_are_gone_fails_alone(world: World) -> None:
    first = next(Path(world.parts.settings.storage).glob("shown/00/*0.sealed.png"))
    first.unlink()

    counts = world.draw()

    assert (counts["done"], counts["failed"]) == (1, 1)


def test_a_project_without_regions_draws_none(world: World) -> None:
    world.use("")

    assert world.draw() == NOTHING


def test_a_model_of_another_kind_and_a_broken_one_say_what_to_do(clipseg: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(clipseg, broken)
    (broken / "model.safetensors").write_bytes(b"half")
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"model_type": "vit", "architectures": ["ViTModel"]}')

    with pytest.raises(Invalid, match="download it again"):
        load_region_finder(str(broken))
    with pytest.raises(Invalid, match="CLIPSeg"):
        load_region_finder(str(other))

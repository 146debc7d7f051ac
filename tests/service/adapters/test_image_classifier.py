"""A classifier of one's own as engine: its labels become the project's classes, or the error says what is missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
import torch
from PIL import Image
from transformers import (
    AutoModelForImageClassification,
    BertConfig,
    BertModel,
    ConvNextConfig,
    ConvNextForImageClassification,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTModel,
)
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from labeling.errors import Invalid
from labeling.prelabel.engine import Engine, Item, check_look
from labeling.prelabel.engines.image_classifier import OUTSIDE
from labeling.project import EngineUse, LabelClass, Policy, Project, ProjectConfig
from labeling.types import ProjectId
from service.engines.allowed_models import check_engines, check_models
from service.projects.project_file import parse_project
from service.settings import Settings
from service.work.engines.factory import make_engine
from tests.conftest import NOW
from tests.tiny_encoders import VISION

LABELS = (LabelClass("cat"), LabelClass("sea bird"))
OWN = ("tabby", "persian", "sea_bird", "car", "Cat")
MAP = {"tabby": "cat", "persian": "cat"}


def _vit(**more: Any) -> Any:
    return ViTForImageClassification(ViTConfig(**VISION, **more))


def _convnext(**more: Any) -> Any:
    sizes = {"hidden_sizes": [8, 16, 16, 24], "depths": [1, 1, 1, 1], "image_size": 32}
    return ConvNextForImageClassification(ConvNextConfig(**sizes, **more))


def _resnet(**more: Any) -> Any:
    sizes = {"embedding_size": 8, "hidden_sizes": [8, 16, 16, 24], "depths": [1, 1, 1, 1]}
    return ResNetForImageClassification(ResNetConfig(**sizes, **more))


def save(
    folder: Path, make: Callable[..., Any] = _vit, labels: tuple[str, ...] = OWN, side: int = 32, **more: Any
) -> str:
    torch.manual_seed(0)
    model = make(id2label=dict(enumerate(labels)), label2id={name: k for k, name in enumerate(labels)}, **more)
    with torch.no_grad():
        for weight in model.classifier.parameters():
            weight.mul_(4)  # so that what it sees changes what it says
    model.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": side, "width": side}).save_pretrained(folder)
    return f"classifier:{folder}"


def project(policy: Policy, labels: tuple[LabelClass, ...] = LABELS) -> Project:
    return Project(ProjectId(1), ProjectConfig("p", labels, policy=policy), 1, "salt", NOW)


def engine(tmp_path: Path, name: str, label_map: Mapping[str, str] = MAP, **more: Any) -> Engine:
    use = EngineUse(name, label_map=label_map, **more)
    return make_engine(project(Policy()), Settings(home=tmp_path / "home", device="cpu"), use)


def items(n: int = 3) -> list[Item]:
    rng = np.random.default_rng(0)
    return [Item(Image.fromarray(rng.integers(0, 255, (40, 52, 3), dtype=np.uint8)), None, str(k)) for k in range(n)]


@pytest.mark.parametrize("make", [_vit, _convnext, _resnet])
@pytest.mark.parametrize("several", [False, True])
def test_a_class_gets_what_the_model_gives_all_labels_that_stand_for_it(
    tmp_path: Path, make: Callable[..., Any], several: bool
) -> None:
    more = {"problem_type": "multi_label_classification"} if several else {}
    name = save(tmp_path / "m", make, **more)
    model = AutoModelForImageClassification.from_pretrained(tmp_path / "m").eval()
    processor = ViTImageProcessorPil.from_pretrained(tmp_path / "m")

    found = check_look(engine(tmp_path, name).look(items()), items=3, classes=2).prelabels

    with torch.inference_mode():
        logits = model(**processor([item.image for item in items()], return_tensors="pt")).logits.double()
    odds = logits.exp().numpy()
    wanted = np.stack([odds[:, 0] + odds[:, 1] + odds[:, 4], odds[:, 2]], axis=1)
    wanted /= wanted.sum(axis=1, keepdims=True)
    np.testing.assert_allclose([one.probs for one in found], wanted, atol=1e-5)
    own = (logits.sigmoid() if several else logits.softmax(1)).numpy()
    said = [json.loads(one.evidence.raw) for one in found]
    assert [one["outside"] for one in said] == pytest.approx(own[:, 3], abs=1e-4)
    assert [max(one["labels"], key=one["labels"].get) for one in said] == [OWN[k] for k in own.argmax(axis=1)]
    assert [OUTSIDE in one.evidence.flags for one in found] == [k == 3 for k in own.argmax(axis=1)]


def test_what_stands_for_no_class_is_said(tmp_path: Path) -> None:
    name = save(tmp_path / "m", labels=("cat", "sea bird", "car", "train", "tree"))
    model = engine(tmp_path, name, {})

    found = model.look(items(40)).prelabels

    flagged = [one for one in found if OUTSIDE in one.evidence.flags]
    assert 0 < len(flagged) < 40 or {json.loads(one.evidence.raw)["outside"] > 0 for one in found} == {True}
    assert all(sum(one.probs) == pytest.approx(1) for one in found)


def test_a_first_engine_gets_the_bundled_encoders_and_its_map_from_the_policy(tmp_path: Path) -> None:
    name = save(tmp_path / "m")
    stored = project(Policy(engine=name, label_map=MAP))

    made = make_engine(stored, Settings(home=tmp_path / "home", device="cpu"))
    look = made.look(items())

    assert made.image_encoder and made.text_encoder and look.image_vectors.shape[1] > 0
    assert len(look.prelabels[0].probs) == 2


def test_the_revision_pins_weights_labels_and_map(tmp_path: Path) -> None:
    name, other = save(tmp_path / "m"), save(tmp_path / "n", labels=("tabby", "persian", "sea_bird", "cat", "car"))

    revisions = [
        engine(tmp_path, name).revision,
        engine(tmp_path, name, {"tabby": "cat"}).revision,
        engine(tmp_path, other).revision,
    ]

    assert len(set(revisions)) == 3
    assert engine(tmp_path, name).revision == revisions[0]


def test_a_model_of_large_pictures_gets_large_ones(tmp_path: Path) -> None:
    assert engine(tmp_path, save(tmp_path / "m", side=1_024)).picture_size.shortest == 1_024  # type: ignore[attr-defined]
    assert engine(tmp_path, save(tmp_path / "n")).picture_size.shortest == 512  # type: ignore[attr-defined]


def test_an_extremely_narrow_picture_is_taken(tmp_path: Path) -> None:
    made = engine(tmp_path, save(tmp_path / "m"))

    assert len(made.look([Item(Image.new("RGB", (1, 20_000)), None, "narrow")]).prelabels) == 1


@pytest.mark.parametrize(
    ("label_map", "words"),
    [
        ({"tabby": "cat", "siamese": "cat"}, "'siamese', which the classifier does not have. It has 'tabby'"),
        ({"tabby": "cat", "car": "vehicle"}, "'vehicle', which is no label of the project"),
        ({"tabby": "cat", "Tabby": "sea bird"}, "'tabby' twice"),
        ({"sea_bird": "cat"}, "No label of the classifier stands for 'sea bird'"),
    ],
)
def test_a_map_that_does_not_fit_says_what_there_is(tmp_path: Path, label_map: dict[str, str], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        engine(tmp_path, save(tmp_path / "m"), label_map)


@pytest.mark.parametrize(
    ("more", "words"), [({"templates": ("a {name}",)}, "templates"), ({"examples": 3}, "examples")]
)
def test_what_it_would_ignore_is_refused(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        engine(tmp_path, save(tmp_path / "m"), **more)


def test_what_is_no_trained_classifier_is_refused(tmp_path: Path) -> None:
    ViTModel(ViTConfig(**VISION)).save_pretrained(tmp_path / "base")
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path / "base")
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=99, **tower)).save_pretrained(tmp_path / "words")

    for folder, words in (("base", "no trained head"), ("words", "does not classify images"), ("none", "no folder")):
        with pytest.raises(Invalid, match=words):
            engine(tmp_path, f"classifier:{tmp_path / folder}")


@pytest.mark.parametrize("name", ["bundled", "scripted", "vlm:/m"])
def test_a_label_map_of_an_engine_without_labels_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid, match="label_map.*classifier"):
        engine(tmp_path, name)


def test_the_api_may_name_only_what_the_administrator_allows(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, allowed_models=f"{tmp_path}/allowed,owner/*")

    check_models(settings, Policy(engine=f"classifier:{tmp_path}/allowed/m"))
    check_engines(settings, ["classifier:owner/model"], Policy())
    for engine_name in (f"classifier:{tmp_path}/other", "classifier:google/vit"):
        with pytest.raises(Invalid, match="HARDCASE_ALLOWED_MODELS"):
            check_models(settings, Policy(engine=engine_name))


FILE = """
name: p
labels: [cat, sea bird]
policy:
  engine: classifier:/models/mine
  label_map: {{tabby: cat, "1": {first}}}
  escalation:
    - {{engine: "classifier:/models/other", label_map: {{gull: {second}}}}}
"""


def test_the_project_file_holds_a_map_for_each_engine_and_it_comes_back(
    make_project: Callable[..., Project], database: sa.Engine
) -> None:
    policy = parse_project(FILE.format(first="cat", second="Sea Bird")).policy

    stored = make_project(database, classes=("cat", "sea bird"), policy=policy).config.policy

    assert stored.first_use.label_map == {"tabby": "cat", "1": "cat"}
    assert stored.escalation[0].label_map == {"gull": "Sea Bird"}
    assert hash(stored.escalation[0])


@pytest.mark.parametrize(("first", "second"), [("dog", "cat"), ("cat", "gull")])
def test_a_map_to_no_label_of_the_project_is_refused_at_once(first: str, second: str) -> None:
    with pytest.raises(Invalid, match="label_map.*is no label of this project"):
        parse_project(FILE.format(first=first, second=second))

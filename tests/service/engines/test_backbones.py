"""Encoders that a project names: every vision model and sentence model by one rule, from folders, with clear errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, BertConfig, ViTConfig, ViTForImageClassification
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from labeling.adapters.models.backbone_files import load_backbone, load_sentences
from labeling.adapters.models.checkpoints import load_checkpoint
from labeling.errors import Invalid
from labeling.prelabel.engine import Item, check_look
from labeling.project import LabelClass, Policy, Project, ProjectConfig
from labeling.types import ProjectId
from service.settings import Settings
from service.work.engines.factory import make_engine
from service.work.engines.means import first_use
from tests.conftest import NOW
from tests.tiny_encoders import VISION, VISION_MODELS, save_bert, save_clip, save_siglip, save_vision

LABELS = (LabelClass("cat"), LabelClass("dog"))


@pytest.fixture(autouse=True)
def _same_weights() -> None:
    torch.manual_seed(0)


def _photographs(n: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (40, 52, 3), dtype=np.uint8)) for _ in range(n)]


def _project(policy: Policy) -> Project:
    return Project(ProjectId(1), ProjectConfig("p", LABELS, policy=policy), 1, "salt", NOW)


def _settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", device="cpu")


@pytest.mark.parametrize("kind", VISION_MODELS)
def test_any_vision_model_gives_vectors_that_do_not_depend_on_the_batch(kind: str, tmp_path: Path) -> None:
    save_vision(kind, tmp_path)

    tower, again = load_backbone(str(tmp_path)), load_backbone(str(tmp_path))
    images = _photographs(9)
    together = tower.encode(images)

    assert tower.name == again.name and "-backbone-" in tower.name
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(again.encode(images[8:]), together[8:], atol=1e-5)
    assert together.std(axis=0).max() > 0


@pytest.mark.parametrize(("kind", "pools"), [("dinov2", True), ("vit without pooler", False)])
def test_the_models_own_pooling_is_taken_and_else_the_mean_of_all_places(
    kind: str, pools: bool, tmp_path: Path
) -> None:
    save_vision(kind, tmp_path)

    vectors = load_backbone(str(tmp_path)).encode(_photographs(2))

    model, processor = AutoModel.from_pretrained(tmp_path).eval(), AutoImageProcessor.from_pretrained(tmp_path)
    with torch.inference_mode():
        out = model(**processor(images=_photographs(2), return_tensors="pt"))
    expected = out.pooler_output if pools else out.last_hidden_state.mean(dim=1)
    np.testing.assert_allclose(vectors, torch.nn.functional.normalize(expected, dim=1).numpy(), atol=1e-5)


def test_the_classifier_of_a_checkpoint_is_left_aside(tmp_path: Path) -> None:
    ViTForImageClassification(ViTConfig(**VISION)).save_pretrained(tmp_path)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path)

    first, second = (load_backbone(str(tmp_path)) for _ in range(2))

    assert first.name == second.name  # its pooler has no weights there; random ones would have made two names
    np.testing.assert_array_equal(first.encode(_photographs(1)), second.encode(_photographs(1)))


def test_a_dual_encoder_lends_its_towers(tmp_path: Path) -> None:
    save_clip(tmp_path)

    images, texts = load_backbone(str(tmp_path)), load_sentences(str(tmp_path))

    assert images.encode(_photographs(2)).shape == (2, 24) and texts.encode(["a cat"]).shape == (1, 24)
    assert images.name.startswith("clip-images-") and texts.name.startswith("clip-texts-")


def test_a_sentence_model_gives_the_mean_of_its_tokens(tmp_path: Path) -> None:
    save_bert(tmp_path)

    tower = load_sentences(str(tmp_path))
    vectors = tower.encode(["a cat", "a much longer sentence about a dog, longer than the model reads " * 8])

    assert vectors.shape == (2, 32) and tower.name.startswith("bert-sentences-")
    np.testing.assert_allclose(tower.encode(["a cat"])[0], vectors[0], atol=1e-5)


def test_a_project_names_its_encoders_and_the_engine_keeps_its_opinion(tmp_path: Path) -> None:
    save_vision("dinov2", tmp_path / "images")
    save_bert(tmp_path / "texts")
    save_siglip(tmp_path / "engine")
    engine_name = f"dual-encoder:{tmp_path / 'engine'}"
    policy = Policy(
        engine=engine_name,
        image_encoder=f"backbone:{tmp_path / 'images'}",
        text_encoder=f"sentences:{tmp_path / 'texts'}",
    )
    items = [Item(image, text) for image, text in zip(_photographs(3), ["a cat", None, "a dog"], strict=True)]

    plain = make_engine(_project(Policy(engine=engine_name)), _settings(tmp_path))
    engine, again = (make_engine(_project(policy), _settings(tmp_path)) for _ in range(2))
    look = check_look(engine.look(items), items=3, classes=2)

    assert engine.revision == again.revision != plain.revision
    assert engine.image_encoder.startswith("dinov2-backbone-") and engine.text_encoder.startswith("bert-sentences-")
    assert look.image_vectors.shape == (3, 32) and look.text_vectors[1] is None
    assert [p.probs for p in look.prelabels] == [p.probs for p in plain.look(items).prelabels]


def test_an_engine_of_the_escalation_is_given_no_encoders(tmp_path: Path) -> None:
    save_vision("resnet", tmp_path)
    project = _project(Policy(engine="scripted", image_encoder=f"backbone:{tmp_path}"))

    first = make_engine(project, _settings(tmp_path))
    later = make_engine(project, _settings(tmp_path), first_use(project))

    assert first.image_encoder.startswith("resnet-backbone-") and later.image_encoder.startswith("scripted-")


def test_what_is_no_encoder_is_refused_with_the_way_out(tmp_path: Path) -> None:
    save_bert(tmp_path / "bert")
    save_vision("vit", tmp_path / "vit")
    BertConfig().save_pretrained(tmp_path / "empty")

    with pytest.raises(Invalid, match="takes no images"):
        load_backbone(str(tmp_path / "bert"))
    with pytest.raises(Invalid, match="does not read texts"):
        load_sentences(str(tmp_path / "vit"))
    with pytest.raises(Invalid, match="not a whole checkpoint"):
        load_sentences(str(tmp_path / "empty"))
    with pytest.raises(Invalid, match="There is no folder"):
        load_backbone(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("error", "way_out"),
    [
        (MemoryError(), "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"), "not enough memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), "not enough memory"),
        (
            ImportError("T5 requires the SentencePiece library but it was not found"),
            r"sentencepiece.*pip install 'hardcase\[siglip\]'",
        ),
        (ImportError("SiglipTokenizer requires the protobuf library"), r"pip install 'hardcase\[siglip\]'"),
        (ImportError("this model needs timm"), "pip install timm"),
        (ValueError("weights are cut off"), "download it again"),
    ],
)
def test_an_error_at_loading_says_what_to_do(error: Exception, way_out: str, tmp_path: Path) -> None:
    def load(_: object) -> None:
        raise error

    with pytest.raises(Invalid, match=way_out):
        load_checkpoint(str(tmp_path), load)

"""The dual encoder on tiny random CLIP and SigLIP checkpoints, loaded from a folder as any other is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModel, AutoProcessor, BertConfig

from labeling.adapters.models.model_files import load_dual_encoder
from labeling.errors import Invalid, Unavailable
from labeling.prelabel.engine import Item, Look, Vectors, check_look
from labeling.prelabel.engines.dual_encoder import DualEncoder, DualEncoderEngine
from labeling.project import EngineUse, LabelClass, Policy, Project, ProjectConfig
from labeling.types import ProjectId
from service.projects.project_file import PolicyIn
from service.settings import Settings
from service.work.engines.factory import make_engine
from tests.conftest import NOW
from tests.tiny_encoders import save_clip, save_published_siglip, save_siglip

LABELS = (LabelClass("cat", "purrs"), LabelClass("old_coin", ""), LabelClass("red flower", "a blossom"))


@pytest.fixture(params=[save_clip, save_siglip, save_published_siglip], ids=["clip", "siglip", "siglip as published"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    save: Callable[[Path], None] = request.param
    torch.manual_seed(0)
    save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_clip(tmp_path / "model")
    return tmp_path / "model"


def _photographs(n: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (40, 52, 3), dtype=np.uint8)) for _ in range(n)]


def _answers(look: Look) -> list[tuple[float, ...]]:
    return [prelabel.probs for prelabel in look.prelabels]


def _project(engine: str, labels: tuple[LabelClass, ...] = LABELS) -> Project:
    return Project(ProjectId(1), ProjectConfig("p", labels, policy=Policy(engine=engine)), 1, "salt", NOW)


def test_a_folder_in_the_project_file_is_an_engine(folder: Path, tmp_path: Path) -> None:
    named = PolicyIn(engine=f"dual-encoder:{folder}").engine
    items = [Item(image, text) for image, text in zip(_photographs(10), ["a cat", None] * 5, strict=True)]

    engine = make_engine(_project(named), Settings(home=tmp_path))
    look = check_look(engine.look(items), items=10, classes=3)

    np.testing.assert_allclose(np.linalg.norm(look.image_vectors, axis=1), 1, atol=1e-5)
    assert len({prelabel.probs for prelabel in look.prelabels}) == 10
    assert look.text_vectors[0] is not None and look.text_vectors[1] is None
    assert look.text_vectors[0].shape == look.image_vectors[0].shape
    assert engine.name == "dual-encoder" and engine.revision.startswith("dual-encoder-model-")
    assert all(prelabel.cost_micro == 0 and prelabel.description == "" for prelabel in look.prelabels)


def test_with_one_text_a_label_it_says_what_the_model_itself_says(folder: Path) -> None:
    use = EngineUse("dual-encoder:m", templates=("a photo of a {name}",))
    images, texts = _photographs(3), ["a photo of a cat", "a photo of a old coin", "a photo of a red flower"]

    engine = DualEncoderEngine("m", LABELS, load_dual_encoder(str(folder)), lambda: 0.0, use)
    probs = [prelabel.probs for prelabel in engine.look([Item(image, None) for image in images]).prelabels]

    model, processor = AutoModel.from_pretrained(folder).eval(), AutoProcessor.from_pretrained(folder)
    inputs = processor(text=texts, images=images, padding="max_length", truncation=True, return_tensors="pt")
    with torch.inference_mode():
        expected = model(**inputs).logits_per_image.softmax(dim=1).numpy()
    np.testing.assert_allclose(probs, expected, atol=1e-5)


def test_a_vector_does_not_depend_on_what_else_is_in_the_batch(folder: Path) -> None:
    encoder = load_dual_encoder(str(folder))
    images, texts = _photographs(9), ["a cat", "a much longer text about an old coin, longer than is read " * 3]

    together, words = encoder.encode_images(images), encoder.encode_texts(texts)

    np.testing.assert_allclose(encoder.encode_images(images[8:]), together[8:], atol=1e-5)
    np.testing.assert_allclose(encoder.encode_texts(texts[:1]), words[:1], atol=1e-5)


def test_the_texts_of_the_labels_are_encoded_once_and_kept(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    encode = DualEncoder.encode_texts

    def counted(self: DualEncoder, texts: Sequence[str]) -> Vectors:
        asked.extend(texts)
        return encode(self, texts)

    monkeypatch.setattr(DualEncoder, "encode_texts", counted)
    named, settings = f"dual-encoder:{folder}", Settings(home=tmp_path)
    first = make_engine(_project(named), settings)
    once = list(asked)

    second = make_engine(_project(named), settings)
    answers = [_answers(engine.look([Item(_photographs(1)[0], None)])) for engine in (first, first, second)]

    assert asked == once and len(once) == 3 * 4 + 2  # four templates, and one more where there is a description
    assert answers[0] == answers[1] == answers[2] and first.revision == second.revision


@pytest.mark.parametrize("kept_of_it", [lambda data: data[:40], lambda data: data[:-60] + b"?" + data[-59:]])
def test_kept_texts_that_are_broken_or_changed_are_encoded_again(
    clip: Path, tmp_path: Path, kept_of_it: Callable[[bytes], bytes]
) -> None:
    named, settings = f"dual-encoder:{clip}", Settings(home=tmp_path)
    item = Item(_photographs(1)[0], None)
    whole = _answers(make_engine(_project(named), settings).look([item]))
    (kept,) = (tmp_path / "models").glob("texts-*.safetensors")
    kept.write_bytes(kept_of_it(kept.read_bytes()))

    answers = [_answers(make_engine(_project(named), settings).look([item])) for _ in range(2)]

    assert answers == [whole, whole] and kept.stat().st_size > 40


def test_a_changed_prompt_is_another_revision_and_is_encoded(clip: Path, tmp_path: Path) -> None:
    named, settings = f"dual-encoder:{clip}", Settings(home=tmp_path)
    plain = _project(named)
    own = _project(named, (*LABELS[:2], LabelClass("red flower", "a blossom", ("a poppy", "a rose"))))
    templates = Project(
        ProjectId(1), ProjectConfig("p", LABELS, policy=Policy(engine=named, templates=("{name}!",))), 1, "salt", NOW
    )

    engines = [make_engine(project, settings) for project in (plain, own, templates)]
    prelabels = [engine.look([Item(_photographs(1)[0], None)]).prelabels[0] for engine in engines]

    assert len({engine.revision for engine in engines}) == 3
    assert len({prelabel.evidence.prompt for prelabel in prelabels}) == 3
    assert len({prelabel.probs for prelabel in prelabels}) == 3
    assert len({engine.image_encoder for engine in engines}) == 1
    assert len(list((tmp_path / "models").glob("texts-*.safetensors"))) == 3


def test_where_each_class_has_a_sigmoid_exactly_one_class_is_true(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_siglip(tmp_path)
    encoder = load_dual_encoder(str(tmp_path))

    prelabel = DualEncoderEngine("m", LABELS, encoder, lambda: 0.0).look([Item(_photographs(1)[0], None)]).prelabels[0]

    raw = json.loads(prelabel.evidence.raw)
    sigmoids = np.array([raw["sigmoid"][label.name] for label in LABELS])
    odds = sigmoids / (1 - sigmoids)  # independent yes and no, given that one is yes, is in proportion to the odds
    np.testing.assert_allclose(prelabel.probs, odds / odds.sum(), rtol=5e-3)
    assert raw["sum"] == pytest.approx(sigmoids.sum(), rel=1e-2)
    assert "sigmoid" in prelabel.evidence.confidence_from


def test_a_siglip_as_it_is_published_reads_as_it_was_trained_to(tmp_path: Path) -> None:
    save_published_siglip(tmp_path)
    encoder = load_dual_encoder(str(tmp_path))

    texts = encoder.encode_texts(["A photo of a CAT!", "a photo of a cat", "a red car", "a red car " * 200])

    np.testing.assert_array_equal(texts[0], texts[1])  # small letters and no punctuation
    assert not np.allclose(texts[1], texts[2])
    assert np.isfinite(texts).all()


def test_where_the_classes_share_a_softmax_there_is_no_raw_answer(clip: Path) -> None:
    engine = DualEncoderEngine("m", LABELS, load_dual_encoder(str(clip)), lambda: 0.0, config_version=4)

    evidence = engine.look([Item(_photographs(1)[0], None)]).prelabels[0].evidence

    assert evidence.raw == "" and "softmax" in evidence.confidence_from
    assert evidence.config_version == 4 and len(evidence.prompt) == 16


def test_no_items_are_no_rows(clip: Path) -> None:
    engine = DualEncoderEngine("m", LABELS, load_dual_encoder(str(clip)), lambda: 0.0)

    look = check_look(engine.look([]), items=0, classes=3)

    assert look.prelabels == []


def test_a_revision_pins_the_weights_and_the_labels_and_the_encoders_pin_the_weights_alone(
    clip: Path, tmp_path: Path
) -> None:
    settings, named = Settings(home=tmp_path), f"dual-encoder:{clip}"
    engine, again = (make_engine(_project(named), settings) for _ in range(2))
    fewer = make_engine(_project(named, LABELS[:2]), settings)

    torch.manual_seed(1)
    save_clip(clip)
    other = make_engine(_project(named), settings)

    assert engine.revision == again.revision
    assert len({engine.revision, fewer.revision, other.revision}) == 3
    assert engine.image_encoder == fewer.image_encoder != other.image_encoder
    assert engine.text_encoder == fewer.text_encoder != other.text_encoder
    assert engine.image_encoder != engine.text_encoder


@pytest.mark.parametrize(
    ("engine", "way_out"),
    [("dual-encoder", "dual-encoder:MODEL"), ("dual-encoder:", "MODEL"), ("bundled:x", "bundled")],
)
def test_an_engine_is_written_with_a_model_only_where_it_takes_one(engine: str, way_out: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=f"engine: {way_out}" if way_out != "MODEL" else way_out):
        make_engine(_project(engine), Settings(home=tmp_path))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="There is no folder .*nowhere"):
        load_dual_encoder(str(tmp_path / "nowhere"))


def test_a_model_with_one_tower_is_refused(tmp_path: Path) -> None:
    BertConfig().save_pretrained(tmp_path)

    with pytest.raises(Invalid, match="is not a dual encoder"):
        load_dual_encoder(str(tmp_path))


@pytest.mark.parametrize("kept", [0, 5_000])
def test_half_a_download_is_refused(clip: Path, kept: int) -> None:
    weights = clip / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])

    with pytest.raises(Invalid, match="again"):
        load_dual_encoder(str(clip))


def test_a_folder_without_its_weights_or_its_processor_is_refused(folder: Path) -> None:
    for settings in ("processor_config.json", "preprocessor_config.json"):
        (folder / settings).unlink(missing_ok=True)
    with pytest.raises(Invalid):
        load_dual_encoder(str(folder))

    (folder / "model.safetensors").unlink()
    with pytest.raises(Invalid, match="not a whole checkpoint"):
        load_dual_encoder(str(folder))


def test_a_weight_that_is_missing_is_not_made_up(clip: Path) -> None:
    config = json.loads((clip / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] = 3
    (clip / "config.json").write_text(json.dumps(config))

    with pytest.raises(Invalid, match="lacks 16 of its weights"):
        load_dual_encoder(str(clip))


def test_a_name_that_the_hubs_cache_holds_needs_no_network(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, commit = tmp_path / "cache" / "models--somebody--tiny-clip", "c" * 40
    shutil.copytree(clip, held / "snapshots" / commit)
    (held / "refs").mkdir()
    (held / "refs" / "main").write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))

    engine = make_engine(_project("dual-encoder:somebody/tiny-clip"), Settings(home=tmp_path))

    assert engine.revision.startswith("dual-encoder-tiny-clip-")
    assert engine.image_encoder == load_dual_encoder(str(clip)).image_name


def test_a_name_that_the_hub_does_not_give_says_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)

    with pytest.raises(Unavailable, match="absolute path of a folder"):
        load_dual_encoder("nobody/no-such-model")

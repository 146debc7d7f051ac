"""A plain script of twenty lines with the same weights: the likeliest ImageNet names, and the label nearest to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoModelForImageClassification, AutoTokenizer

__all__ = ["plain_zero_shot"]


def plain_zero_shot(
    vision: Path, words: Path, names: Sequence[str], labels: Sequence[str]
) -> Callable[[Sequence[Path]], list[list[float]]]:
    """What gives probabilities (N, K): each file opened, looked at and compared one by one."""
    model = AutoModelForImageClassification.from_pretrained(vision)
    processor = AutoImageProcessor.from_pretrained(vision)
    sentences, tokenizer = AutoModel.from_pretrained(words), AutoTokenizer.from_pretrained(words)

    @torch.inference_mode()
    def embed(text: str) -> torch.Tensor:
        states = sentences(**tokenizer(text, return_tensors="pt")).last_hidden_state
        return torch.nn.functional.normalize(states.mean(dim=1), dim=1)[0]

    known, wanted = torch.stack([embed(name) for name in names]), torch.stack([embed(label) for label in labels])

    @torch.inference_mode()
    def look(files: Sequence[Path]) -> list[list[float]]:
        answers = []
        for file in files:
            logits = model(**processor(images=Image.open(file).convert("RGB"), return_tensors="pt")).logits[0]
            answers.append((100 * wanted @ known[logits.argmax()]).softmax(dim=0).tolist())
        return answers

    return look

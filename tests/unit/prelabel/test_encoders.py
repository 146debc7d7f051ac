"""Encoders on tiny random models: unit rows that do not depend on what else stands in the batch."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import BertConfig, BertModel

from labeling.prelabel.efficientnet_lite import lite0_processor
from labeling.prelabel.encoders import ImageEncoder, SentenceEncoder


class _Letters:
    """A tokenizer that takes letters for words; it pads to the longest, as a real one does."""

    def __call__(self, texts: Sequence[str], **_: object) -> dict[str, torch.Tensor]:
        longest = max(len(text) for text in texts)
        ids = [[ord(letter) % 50 + 1 for letter in text] + [0] * (longest - len(text)) for text in texts]
        tokens = torch.tensor(ids)
        return {"input_ids": tokens, "attention_mask": (tokens > 0).long()}


class _TinyClassifier(torch.nn.Module):
    """Six colour features and five classes, in the shape of a transformers classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.base_model = _Features()
        self.classifier = torch.nn.Linear(6, 5)


class _Features(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 6, 7, stride=7)

    def forward(self, pixels: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(pooler_output=self.conv(pixels).relu().mean((2, 3)))


@pytest.fixture(scope="module")
def sentences() -> SentenceEncoder:
    torch.manual_seed(0)
    config = BertConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    return SentenceEncoder("tiny", BertModel(config), _Letters())


@pytest.fixture(scope="module")
def images() -> ImageEncoder:
    torch.manual_seed(0)
    return ImageEncoder("tiny", _TinyClassifier(), lite0_processor())


def _noise(n: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (20 + i, 30, 3), dtype=np.uint8)) for i in range(n)]


def test_a_sentence_has_the_same_vector_alone_and_in_a_batch(sentences: SentenceEncoder) -> None:
    texts = ["a cat", "a much longer sentence about a dog", "a cat", "x"]

    together = sentences.encode(texts)

    alone = np.concatenate([sentences.encode([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_a_missing_text_has_no_vector(sentences: SentenceEncoder) -> None:
    vectors = sentences.encode_present([None, "a cat", ""])

    assert [vector is None for vector in vectors] == [True, False, True]
    assert sentences.encode([]).shape == (0, 16)


def test_images_become_unit_vectors_and_probabilities(images: ImageEncoder) -> None:
    vectors, probs = images.encode(_noise(11))

    assert vectors.shape == (11, 6) and probs.shape == (11, 5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-5)


def test_an_image_has_the_same_vector_alone_and_in_a_batch(images: ImageEncoder) -> None:
    together, _ = images.encode(_noise(11))

    alone = np.concatenate([images.encode([image])[0] for image in _noise(11)])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_no_images_are_no_rows(images: ImageEncoder) -> None:
    vectors, probs = images.encode([])

    assert len(vectors) == 0 and len(probs) == 0

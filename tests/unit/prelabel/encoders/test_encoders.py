"""Encoders on tiny random models: unit rows that do not depend on what else stands in the batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import BertConfig, BertModel

from labeling.prelabel.encoders.efficientnet_lite import lite0_pixels, lite0_processor
from labeling.prelabel.encoders.encoders import ImageEncoder, Pixels, SentenceEncoder
from labeling.prelabel.engine import Vectors, encode_present


class _Letters:
    """A tokenizer that takes letters for words; it pads to the longest, as a real one does."""

    def __call__(self, texts: Sequence[str], **_: object) -> dict[str, torch.Tensor]:
        longest = max(len(text) for text in texts)
        ids = [[ord(letter) % 50 + 1 for letter in text] + [0] * (longest - len(text)) for text in texts]
        tokens = torch.tensor(ids)
        return {"input_ids": tokens, "attention_mask": (tokens > 0).long()}


def _tiny_network(pixels: Pixels) -> tuple[Vectors, Vectors]:
    """Six colour features and five classes."""
    means = pixels.reshape(len(pixels), 3, 2, -1).mean(axis=3).reshape(len(pixels), 6)
    return means, means[:, :5] * 10


@pytest.fixture(scope="module")
def sentences() -> SentenceEncoder:
    torch.manual_seed(0)
    config = BertConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    return SentenceEncoder("tiny", BertModel(config), _Letters())


@pytest.fixture(scope="module")
def images() -> ImageEncoder:
    return ImageEncoder("tiny", _tiny_network, lite0_pixels, at_once=3)


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
    vectors = encode_present(sentences.encode, [None, "a cat", ""])

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


def test_the_quick_preprocessing_is_the_processors() -> None:
    ours = lite0_pixels(_noise(3))

    theirs = lite0_processor()(images=_noise(3), return_tensors="np")["pixel_values"]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_every_image_is_encoded_once_and_stays_in_its_place() -> None:
    batches: list[int] = []

    def network(pixels: Pixels) -> tuple[Vectors, Vectors]:
        batches.append(len(pixels))
        return pixels[:, :, 0, 0] + 2, pixels[:, :, 0, 0]

    shades = [Image.new("RGB", (8, 8), (shade, 0, 255 - shade)) for shade in range(0, 250, 10)]
    vectors, _ = ImageEncoder("shades", network, lite0_pixels, at_once=4, workers=5).encode(shades)

    assert sorted(batches) == [1, 4, 4, 4, 4, 4, 4]
    assert (np.diff(vectors[:, 0]) > 0).all()

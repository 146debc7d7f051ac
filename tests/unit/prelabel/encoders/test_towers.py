"""Encoders beside an engine: its vectors become theirs, its probabilities stay, its revision names both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from labeling.prelabel.encoders.towers import ImageTower, TextTower, mean_vectors, with_encoders
from labeling.prelabel.engine import Item, Look, check_look, no_vectors
from labeling.prelabel.engines.few_shot import FewShotEngine
from labeling.prelabel.engines.scripted import ScriptedEngine
from tests.unit.prelabel.pictures import grey


def _sizes(images: Sequence[Image.Image]) -> np.ndarray:
    return np.array([[image.width, 0, 1] for image in images], np.float32)


def _lengths(texts: Sequence[str]) -> np.ndarray:
    return np.array([[len(text), 1] for text in texts], np.float32)


IMAGES, TEXTS = ImageTower("sizes", _sizes), TextTower("lengths", _lengths)
ITEMS = [Item(grey(), "four"), Item(grey(), None), Item(grey(), "")]


class _Writer:
    """An engine without anything else."""

    name, revision, image_encoder, text_encoder = "writer", "writer-1", "", ""

    def look(self, items: Sequence[Item]) -> Look:
        return no_vectors(ScriptedEngine(["a", "b"]).look(items).prelabels)


def test_an_engine_without_encoders_gets_them() -> None:
    engine = with_encoders(_Writer(), IMAGES, TEXTS)

    look = check_look(engine.look(ITEMS), items=3, classes=2)

    assert (engine.name, engine.image_encoder, engine.text_encoder) == ("writer", "sizes", "lengths")
    assert look.image_vectors.tolist() == [[8, 0, 1]] * 3
    assert look.text_vectors[0] is not None and look.text_vectors[0].tolist() == [4, 1]
    assert look.text_vectors[1:] == [None, None]
    assert {prelabel.revision for prelabel in look.prelabels} == {engine.revision}
    assert [p.probs for p in look.prelabels] == [p.probs for p in _Writer().look(ITEMS).prelabels]


def test_a_tower_that_is_not_given_leaves_the_engines_own_vectors() -> None:
    own = ScriptedEngine(["a", "b"])

    engine = with_encoders(own, None, TEXTS)

    assert (engine.image_encoder, engine.text_encoder) == (own.image_encoder, "lengths")
    np.testing.assert_array_equal(engine.look(ITEMS).image_vectors, own.look(ITEMS).image_vectors)
    assert with_encoders(own, None, None) is own


def test_other_encoders_are_another_revision_and_equal_ones_the_same() -> None:
    revisions = [
        with_encoders(_Writer(), images, texts).revision
        for images, texts in ((IMAGES, TEXTS), (IMAGES, TEXTS), (IMAGES, None), (ImageTower("other", _sizes), TEXTS))
    ]

    assert revisions[0] == revisions[1] and len(set(revisions)) == 3
    assert all(revision.startswith("writer-1+") for revision in revisions)


def test_the_mean_of_each_group_of_texts_is_encoded_in_one_call() -> None:
    calls: list[list[str]] = []

    def encode(texts: Sequence[str]) -> np.ndarray:
        calls.append(list(texts))
        return _lengths(texts)

    means = mean_vectors(TextTower("lengths", encode), [["a", "aaa"], ["aaaa"]])

    np.testing.assert_allclose(means, np.array([[2, 1], [4, 1]]) / np.sqrt([[5], [17]]), rtol=1e-6)
    assert calls == [["a", "aaa", "aaaa"]]


def test_no_items_are_no_rows() -> None:
    look = with_encoders(FewShotEngine(["a", "b"], 1, lambda: 0.0), IMAGES, TEXTS).look([])

    assert look.prelabels == [] and look.text_vectors == []

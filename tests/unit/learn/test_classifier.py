"""Every fusion with every head: what any classifier must keep to, whoever adds a row to a table."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from labeling.learn import artifacts
from labeling.learn.classifier import Classifier, FusionKind, HeadKind, Inputs
from labeling.learn.fusions.fusions import FUSIONS
from labeling.learn.heads.heads import HEADS
from labeling.learn.training import FusedClassifier, fit_classifier, predict_logits, predict_probs

CLASSES = ("cat", "dog", "bird", "fish")
PAIRS = list(product(FUSIONS.values(), HEADS.values()))
NAMES = [f"{fusion.name}-{head.name}" for fusion, head in PAIRS]
every_pair = pytest.mark.parametrize(("fusion", "head"), PAIRS, ids=NAMES)


def toy(n: int = 40) -> tuple[Inputs, NDArray[np.int64]]:
    """Three of four classes, each with a direction of its own; some texts and some prelabels are absent."""
    rng = np.random.default_rng(3)
    labels = np.arange(n) % 3
    image = np.eye(6)[labels] + 0.1 * rng.normal(size=(n, 6))
    text = np.where(rng.random((n, 1)) < 0.5, np.nan, rng.normal(size=(n, 5)))
    prelabel = np.where(rng.random((n, 1)) < 0.5, np.nan, rng.dirichlet(np.ones(len(CLASSES)), n))
    return Inputs(*(block.astype(np.float32) for block in (image, text, prelabel))), labels


def fitted(fusion: FusionKind, head: HeadKind) -> FusedClassifier:
    return fit_classifier(*toy(), len(CLASSES), head, fusion=fusion, rng=np.random.default_rng(0))


def saved(classifier: Classifier) -> dict[str, bytes]:
    facts = artifacts.Facts("p", 1, CLASSES, "e", "i", "t", "s", 9, "0", datetime(2026, 11, 21, tzinfo=UTC), {})
    return artifacts.pack(classifier, facts)


@pytest.mark.parametrize("table", [FUSIONS, HEADS], ids=["fusions", "heads"])
def test_every_row_of_a_table_stands_under_its_own_name(table: dict[str, FusionKind | HeadKind]) -> None:
    assert [kind.name for kind in table.values()] == list(table)


@every_pair
def test_scores_are_finite_and_find_the_classes_again(fusion: FusionKind, head: HeadKind) -> None:
    inputs, labels = toy()

    logits = predict_logits(fitted(fusion, head), inputs)

    assert logits.shape == (len(inputs), len(CLASSES)) and np.isfinite(logits).all()
    assert (logits.argmax(axis=1) == labels).all()


@every_pair
def test_a_class_without_examples_is_never_predicted(fusion: FusionKind, head: HeadKind) -> None:
    classifier = fitted(fusion, head)

    assert classifier.present.tolist() == [True, True, True, False]
    assert predict_probs(classifier, toy()[0])[:, 3].max() < 1e-6


@every_pair
def test_what_was_packed_is_unpacked_to_equal_scores(fusion: FusionKind, head: HeadKind) -> None:
    classifier = fitted(fusion, head).at_temperature(0.7)

    again = FusedClassifier.unpack(classifier.pack())
    loaded, card = artifacts.unpack(saved(classifier))

    scores = classifier.logits(toy()[0])
    assert np.array_equal(again.logits(toy()[0]), scores) and np.array_equal(loaded.logits(toy()[0]), scores)
    assert (again.temperature, again.calibrated) == (loaded.temperature, loaded.calibrated) == (0.7, True)
    assert (card.fusion, card.head) == (fusion.name, head.name)


@every_pair
def test_the_same_fit_gives_the_same_files(fusion: FusionKind, head: HeadKind) -> None:
    assert saved(fitted(fusion, head)) == saved(fitted(fusion, head))


@every_pair
def test_a_fusion_and_a_head_name_their_tensors_apart(fusion: FusionKind, head: HeadKind) -> None:
    of_fusion, of_head = fusion.shapes((6, 5, 4)), head.shapes(17, 4)

    assert not of_fusion.keys() & of_head.keys()
    assert fitted(fusion, head).pack().tensors.keys() == of_fusion.keys() | of_head.keys()

"""Saved classifiers: the same one comes back, and nothing damaged or hostile is ever used."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load, save

from labeling.errors import BadArtifact
from labeling.learn.artifacts import CARD, WEIGHTS, Facts, pack, unpack
from labeling.learn.calibration import Calibration
from labeling.learn.classifier import Classifier, Inputs
from labeling.learn.training import fit_classifier, predict_probs

FACTS = Facts(
    project="animals",
    number=1,
    classes=("cat", "dog", "bird"),
    engine_revision="e1",
    image_encoder="i1",
    text_encoder="t1",
    snapshot_hash="s",
    last_label_id=9,
    code_version="0.1.0",
    created_at=datetime(2026, 11, 21, tzinfo=UTC),
    report={"examples": 12},
)


def some_inputs() -> Inputs:
    rng = np.random.default_rng(0)
    return Inputs(
        rng.normal(size=(12, 5)).astype(np.float32),
        rng.normal(size=(12, 4)).astype(np.float32),
        rng.dirichlet(np.ones(3), size=12).astype(np.float32),
    )


def some_classifier() -> Classifier:
    return fit_classifier(some_inputs(), np.arange(12) % 2, 3).at_temperature(0.7)


def with_weights(weights: bytes) -> dict[str, bytes]:
    """The files with other weights, and a card that names their checksum."""
    files = pack(some_classifier(), FACTS)
    card = msgspec.json.decode(files[CARD])
    card["weights_sha256"] = hashlib.sha256(weights).hexdigest()
    return {WEIGHTS: weights, CARD: msgspec.json.encode(card)}


def changed(**tensors: np.ndarray) -> bytes:
    return save({**load(pack(some_classifier(), FACTS)[WEIGHTS]), **tensors})


def test_the_same_classifier_comes_back() -> None:
    classifier = some_classifier()

    again, card = unpack(pack(classifier, FACTS))

    assert np.array_equal(predict_probs(again, some_inputs()), predict_probs(classifier, some_inputs()))
    assert card.facts == FACTS
    assert (again.temperature, again.calibrated) == (0.7, True)
    assert (card.fusion, card.head, again.pack().head) == ("concatenation", "logistic", classifier.pack().head)


@pytest.mark.parametrize("head", [{"head": "class_means"}, {}])
def test_a_card_that_names_no_fusion_and_no_head_is_of_a_logistic_head_on_concatenated_features(
    head: dict[str, str],
) -> None:
    files = pack(some_classifier(), FACTS)
    newer = msgspec.json.decode(files[CARD])
    older = {name: value for name, value in newer.items() if name not in ("fusion", "fusion_config", "head", "bias")}
    older["config"] = {"c": 30.0, "balanced": False, "max_steps": 50, "tolerance": 1e-7, **head}

    again, card = unpack({**files, CARD: msgspec.json.encode(older)})

    assert (card.fusion, card.head) == ("concatenation", "logistic")
    assert np.array_equal(predict_probs(again, some_inputs()), predict_probs(some_classifier(), some_inputs()))


def test_the_biases_of_a_calibration_come_back_and_must_be_one_a_class() -> None:
    classifier = some_classifier().calibrated_by(Calibration(0.8, (0.1, -0.2, 0.1), labels=300))
    files = pack(classifier, FACTS)
    short = {**msgspec.json.decode(files[CARD]), "bias": [0.1, 0.2]}

    again, _ = unpack(files)

    assert (again.temperature, again.bias, again.calibrated) == (0.8, (0.1, -0.2, 0.1), True)
    with pytest.raises(BadArtifact, match="2 biases for 3 classes"):
        unpack({**files, CARD: msgspec.json.encode(short)})


def test_a_classifier_is_called_calibrated_from_forty_labels() -> None:
    few, enough = (some_classifier().calibrated_by(Calibration(0.8, labels=n)) for n in (39, 40))

    assert (few.temperature, few.calibrated, enough.calibrated) == (0.8, False, True)


def test_the_same_classifier_gives_the_same_bytes_with_the_card_last() -> None:
    first, second = pack(some_classifier(), FACTS), pack(some_classifier(), FACTS)

    assert first == second
    assert list(first) == [WEIGHTS, CARD]


@pytest.mark.parametrize("missing", [WEIGHTS, CARD])
def test_half_an_artifact_is_refused(missing: str) -> None:
    files = pack(some_classifier(), FACTS)
    del files[missing]

    with pytest.raises(BadArtifact, match="hardcase learn"):
        unpack(files)


def test_a_flipped_bit_is_found() -> None:
    files = pack(some_classifier(), FACTS)
    files[WEIGHTS] = files[WEIGHTS][:-1] + bytes([files[WEIGHTS][-1] ^ 1])

    with pytest.raises(BadArtifact, match="not those that the card names"):
        unpack(files)


@pytest.mark.parametrize(
    "weights",
    [
        pytest.param(lambda: changed(weight=np.full((3, 14), np.nan, np.float32)), id="NaN"),
        pytest.param(lambda: changed(bias=np.full(3, np.inf, np.float32)), id="infinite"),
        pytest.param(lambda: changed(bias=np.zeros(4, np.float32)), id="wrong shape"),
        pytest.param(lambda: changed(more=np.zeros(4, np.float32)), id="one tensor too many"),
        pytest.param(lambda: changed(bias=np.zeros(3, np.float64)), id="wrong type"),
        pytest.param(lambda: pickle.dumps({"weight": 1}), id="a pickle"),
        pytest.param(lambda: (2**40).to_bytes(8, "little") + b"{}", id="a huge header"),
        pytest.param(lambda: _with_header({"bias": _tensor(0, 12), "weight": _tensor(4, 16)}), id="overlapping"),
        pytest.param(lambda: b"", id="empty"),
    ],
)
def test_weights_that_are_not_ours_are_refused(weights: Callable[[], bytes]) -> None:
    with pytest.raises(BadArtifact):
        unpack(with_weights(weights()))


@pytest.mark.parametrize("card", [b"", b"{}", b"[" * 100_000, b"\xff\xfe", b'{"format": "x"}'])
def test_a_card_that_is_not_ours_is_refused(card: bytes) -> None:
    with pytest.raises(BadArtifact, match="card"):
        unpack({**pack(some_classifier(), FACTS), CARD: card})


@pytest.mark.parametrize(("part", "there_are"), [("fusion", "concatenation"), ("head", "logistic")])
def test_a_fusion_or_a_head_that_there_is_not_is_refused_with_those_that_there_are(part: str, there_are: str) -> None:
    files = pack(some_classifier(), FACTS)
    card = {**msgspec.json.decode(files[CARD]), part: "mixture"}

    with pytest.raises(BadArtifact, match=f"the {part} 'mixture'; there are: .*{there_are}.*hardcase learn"):
        unpack({**files, CARD: msgspec.json.encode(card)})


def test_settings_that_a_head_does_not_take_are_refused() -> None:
    files = pack(some_classifier(), FACTS)
    card = {**msgspec.json.decode(files[CARD]), "config": {"c": "much"}}

    with pytest.raises(BadArtifact, match="the head 'logistic' settings"):
        unpack({**files, CARD: msgspec.json.encode(card)})


def test_settings_of_a_later_hardcase_are_refused_by_name() -> None:
    files = pack(some_classifier(), FACTS)
    card = msgspec.json.decode(files[CARD])
    card["config"] = {**card["config"], "momentum": 0.9}

    with pytest.raises(BadArtifact, match="does not have: momentum"):
        unpack({**files, CARD: msgspec.json.encode(card)})


@pytest.mark.parametrize("change", [{"seen": [True, True]}, {"dims": [5, 4, 2]}, {"dims": [4, 5, 3]}])
def test_weights_that_do_not_fit_the_card_are_refused(change: dict[str, object]) -> None:
    files = pack(some_classifier(), FACTS)
    card = {**msgspec.json.decode(files[CARD]), **change}

    with pytest.raises(BadArtifact, match="the card|The card"):
        unpack({**files, CARD: msgspec.json.encode(card)})


@pytest.mark.parametrize("temperature", [0.0, -1.0, 1e999])
def test_a_temperature_that_cannot_be_is_refused(temperature: float) -> None:
    files = pack(some_classifier(), FACTS)
    files[CARD] = files[CARD].replace(b'"temperature": 0.7', f'"temperature": {temperature:g}'.encode())

    with pytest.raises(BadArtifact):
        unpack(files)


def _tensor(start: int, end: int) -> dict[str, object]:
    return {"dtype": "F32", "shape": [3], "data_offsets": [start, end]}


def _with_header(header: dict[str, object]) -> bytes:
    text = msgspec.json.encode(header)
    return len(text).to_bytes(8, "little") + text + bytes(24)

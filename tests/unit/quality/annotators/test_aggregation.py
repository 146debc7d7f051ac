"""Consensus of many: by hand, against the libraries called plainly, and on simulated people whose errors are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from cleanlab.multiannotator import get_label_quality_multiannotator
from crowdkit.aggregation import GLAD, DawidSkene

from labeling.answers import AnswerSet
from labeling.errors import Invalid
from labeling.quality.annotators.aggregation import aggregate, crowdlab, dawid_skene, glad, majority
from labeling.quality.annotators.soft_labels import Aggregation, RaterAnswer
from labeling.types import NONE_OF_THESE

KNOWN = AnswerSet(("cat", "dog", "bird"))
CLASSES = KNOWN.classes
METHODS = ("majority", "dawid-skene", "glad", "crowdlab")


def _table(*rows: tuple[int, str, str]) -> list[RaterAnswer]:
    return [RaterAnswer(*row) for row in rows]


def _simulated(
    confusions: dict[str, np.ndarray], images: int, rng: np.random.Generator
) -> tuple[list[RaterAnswer], np.ndarray]:
    """Every annotator answers about every image; row t of a confusion has the answers where t is true."""
    names = KNOWN.labels
    truth = rng.integers(len(CLASSES), size=images)
    table = [
        RaterAnswer(image, who, names[rng.choice(len(names), p=confusion[truth[image]])])
        for image in range(images)
        for who, confusion in confusions.items()
    ]
    return table, truth


def _right(found: Aggregation, truth: np.ndarray) -> float:
    return float(np.mean([found.labels[i].value == CLASSES[t] for i, t in enumerate(truth)]))


def _confusion(accuracy: float) -> np.ndarray:
    """Errors spread evenly over the other classes; "none of these" is never said."""
    rows = np.full((3, 4), (1 - accuracy) / 2)
    rows[:, 3] = 0
    np.fill_diagonal(rows, accuracy)
    return rows


SWAPS = np.array([[0.1, 0.9, 0, 0], [0.9, 0.1, 0, 0], [0.05, 0.05, 0.9, 0]])
"""Somebody who takes cats for dogs and dogs for cats."""


# --- by hand ----------------------------------------------------------------------------------------------


def test_a_majority_is_the_share_of_the_votes_and_a_tie_has_no_value() -> None:
    table = _table((1, "a", "cat"), (1, "b", "cat"), (1, "c", "dog"), (2, "a", "cat"), (2, "b", NONE_OF_THESE))

    found = majority(table, KNOWN)

    assert found.labels[1].value == "cat"
    assert found.labels[1].probs == pytest.approx({"cat": 2 / 3, "dog": 1 / 3})
    assert (found.labels[2].value, found.labels[2].confidence) == (None, 0.5)
    assert found.labels[2].probs == {"cat": 0.5, NONE_OF_THESE: 0.5}
    assert found.quality == pytest.approx({"a": (2 / 3 + 1 / 2) / 2, "b": (2 / 3 + 1 / 2) / 2, "c": 1 / 3})


def test_dawid_skene_goes_by_hand_from_two_thirds_to_eight_ninths_and_on_to_one() -> None:
    # Eve always says dog. Votes give (2/3, 1/3) and (0, 1); so ann says cat for a cat always, for a dog one time in
    # four, and the first round gives cat 1/3 : dog 2/3 * 1/4 * 1/4, which is 8/9; the next 80/81, and so on.
    table = _table(*[(1, who, "cat") for who in ("ann", "bob")], *[(2, who, "dog") for who in ("ann", "bob")])
    table += _table((1, "eve", "dog"), (2, "eve", "dog"))

    found = dawid_skene(table, KNOWN)

    assert {image: soft.value for image, soft in found.labels.items()} == {1: "cat", 2: "dog"}
    assert found.labels[1].confidence > 80 / 81
    assert found.confusion["ann"][:2, :2] == pytest.approx(np.eye(2), abs=1e-3)
    assert found.confusion["eve"][:2, :2] == pytest.approx(np.array([[0, 1], [0, 1]]), abs=1e-3)
    assert found.confusion["ann"][2].tolist() == [0, 0, 0, 0]  # no bird was found, so nothing is known


@pytest.mark.parametrize("method", METHODS)
def test_one_answer_an_image_is_its_value(method: str) -> None:
    found = aggregate(method, _table((1, "a", "cat"), (2, "a", "cat")), KNOWN)

    assert [soft.value for soft in found.labels.values()] == ["cat", "cat"]
    assert [soft.confidence for soft in found.labels.values()] == [1.0, 1.0]


@pytest.mark.parametrize("method", METHODS)
def test_nothing_makes_nothing(method: str) -> None:
    assert aggregate(method, [], KNOWN) == Aggregation({}, {}, {})


@pytest.mark.parametrize("method", METHODS)
def test_every_soft_label_sums_to_one_and_does_not_depend_on_the_order(method: str) -> None:
    table, _ = _simulated({"a": _confusion(0.9), "b": _confusion(0.6), "c": SWAPS}, 30, np.random.default_rng(3))

    found, reversed_ = aggregate(method, table, KNOWN), aggregate(method, table[::-1], KNOWN)

    assert (found.labels, found.quality) == (reversed_.labels, reversed_.quality)
    assert all(sum(soft.probs.values()) == pytest.approx(1) for soft in found.labels.values())
    assert all(0 <= quality <= 1 for quality in found.quality.values())


def test_what_is_no_label_of_the_set_is_left_out() -> None:
    found = majority(_table((1, "a", "unsure"), (1, "b", "cat"), (2, "a", "wolf")), KNOWN)

    assert list(found.labels) == [1]


def test_a_method_of_no_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(Invalid, match="dawid-skene"):
        aggregate("loudest", [], KNOWN)


# --- simulated people ---------------------------------------------------------------------------------------


def test_dawid_skene_recovers_who_errs_how() -> None:
    given = {"good": _confusion(0.9), "fair": _confusion(0.75), "swaps": SWAPS, "other": _confusion(0.8)}
    table, truth = _simulated(given, 500, np.random.default_rng(0))

    found = dawid_skene(table, KNOWN)

    for who, confusion in given.items():
        assert np.abs(found.confusion[who][:3] - confusion).max() < 0.1, who
    assert _right(found, truth) > 0.93


def test_dawid_skene_and_glad_beat_the_majority_where_somebody_clicks_at_random() -> None:
    spammers = {f"spammer {n}": np.array([[1, 1, 1, 0]] * 3) / 3 for n in range(3)}
    people = {"good": _confusion(0.92), "fair": _confusion(0.8), **spammers}
    table, truth = _simulated(people, 150, np.random.default_rng(1))

    found = {name: aggregate(name, table, KNOWN) for name in ("majority", "dawid-skene", "glad")}

    right = {name: _right(one, truth) for name, one in found.items()}
    assert right["majority"] + 0.1 < min(right["dawid-skene"], right["glad"])
    assert found["dawid-skene"].quality["good"] > found["dawid-skene"].quality["spammer 0"] + 0.3


def test_crowdlab_lets_a_good_classifier_decide_between_two_people_who_differ() -> None:
    rng = np.random.default_rng(2)
    table, truth = _simulated({"a": _confusion(0.8), "b": _confusion(0.8)}, 300, rng)
    probs = {i: np.where(np.arange(3) == t, 0.9, 0.05).tolist() for i, t in enumerate(truth)}

    alone, together = majority(table, KNOWN), crowdlab(table, KNOWN, probs)

    assert _right(together, truth) > _right(alone, truth) + 0.2
    assert set(together.quality) == {"a", "b"}


# --- the libraries, called plainly ---------------------------------------------------------------------------


@pytest.mark.parametrize(("ours", "theirs"), [(dawid_skene, DawidSkene), (glad, GLAD)])
def test_the_arithmetic_is_crowd_kit_s(ours: Callable[..., Aggregation], theirs: Callable[..., object]) -> None:
    table, _ = _simulated({"a": _confusion(0.9), "b": _confusion(0.7), "c": SWAPS}, 40, np.random.default_rng(4))
    frame = pd.DataFrame([(o.image, o.annotator, o.label) for o in table], columns=["task", "worker", "label"])
    frame = frame.sort_values(["task", "worker"])

    found = ours(table, KNOWN)

    expected = theirs().fit_predict_proba(frame)  # type: ignore[attr-defined]
    for image, soft in found.labels.items():
        for name in CLASSES:
            assert soft.probs.get(name, 0.0) == pytest.approx(expected.loc[image].get(name, 0.0), abs=5e-3)


def test_the_arithmetic_is_cleanlab_s() -> None:
    rng = np.random.default_rng(5)
    table, _ = _simulated({"a": _confusion(0.9), "b": _confusion(0.7), "c": SWAPS}, 40, rng)
    probs = {i: row.tolist() for i, row in enumerate(rng.dirichlet(np.ones(3), 40))}
    codes = [*KNOWN.labels]
    wide = pd.DataFrame([(o.image, o.annotator, codes.index(o.label)) for o in table], columns=["i", "w", "l"])
    none = 1 / (120 + 4)  # nobody says it: one of the 124 counts after smoothing
    prior = np.array([[*(np.array(probs[i]) * (1 - none)), none] for i in range(40)])

    found = crowdlab(table, KNOWN, probs)

    expected = get_label_quality_multiannotator(wide.pivot(index="i", columns="w", values="l"), prior, verbose=False)
    for image, row in expected["label_quality"].iterrows():
        assert found.labels[int(image)].value == codes[int(row.consensus_label)]
        assert found.labels[int(image)].confidence == pytest.approx(row.consensus_quality_score, abs=2e-3)
    assert found.quality == pytest.approx(expected["annotator_stats"].annotator_quality.to_dict())

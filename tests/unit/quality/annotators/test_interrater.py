"""Agreement beyond chance, on published tables and against crowd-kit, scikit-learn, nltk and krippendorff."""

from __future__ import annotations

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.metrics.agreement import AnnotationTask
from sklearn.metrics import cohen_kappa_score

from labeling.answers import MISSING
from labeling.quality.annotators.interrater import (
    agreement,
    alpha,
    alpha_by_class,
    cohen,
    disagreements,
    fleiss,
)

FLEISS_1971 = [  # 10 subjects, 14 raters, 5 categories; kappa .210
    (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
]  # fmt: skip
KRIPPENDORFF_2011 = [  # 4 observers, 12 units; nominal alpha .743
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def answers_of(counts: list[tuple[int, ...]]) -> np.ndarray:
    return np.array([np.repeat(np.arange(len(row)), row) for row in counts])


def krippendorffs() -> np.ndarray:
    return np.array([[MISSING if c == "." else int(c) - 1 for c in row.split()] for row in KRIPPENDORFF_2011]).T


def crowd(n: int, right: list[float], classes: int = 4, seed: int = 1) -> np.ndarray:
    """People who are right so often, and otherwise say any other class."""
    chance = np.random.default_rng(seed)
    truth = chance.integers(classes, size=n)
    wrong = (truth[:, None] + chance.integers(1, classes, size=(n, len(right)))) % classes
    return np.where(chance.random((n, len(right))) < np.array(right), truth[:, None], wrong)


def test_fleiss_published_table_gives_his_kappa() -> None:
    found = fleiss(answers_of(FLEISS_1971), 5, rng())

    assert found is not None
    assert (round(found.value, 3), found.n) == (0.210, 10)
    assert found.lower < 0.210 < found.upper


def test_krippendorffs_published_table_gives_his_alpha() -> None:
    found = alpha(krippendorffs(), 5, rng())

    assert found is not None
    assert (round(found.value, 3), found.n) == (0.743, 11)  # one unit has a single answer, which says nothing


def test_cohens_kappa_of_a_table_worked_by_hand() -> None:
    """Both yes 20, yes and no 5, no and yes 10, both no 15: observed .7, by chance .5."""
    cells = [(0, 0)] * 20 + [(0, 1)] * 5 + [(1, 0)] * 10 + [(1, 1)] * 15
    first, second = np.array(cells).T

    found = cohen(first, second, rng())

    assert found is not None and found.value == pytest.approx(0.4)
    assert 0.1 < found.lower < 0.4 < found.upper < 0.7


@given(st.lists(st.lists(st.integers(-1, 3), min_size=3, max_size=3), min_size=2, max_size=30))
def test_alpha_is_that_of_krippendorff_and_nltk_on_any_table(rows: list[list[int]]) -> None:
    answers = np.array(rows)
    pairable = answers[(answers != MISSING).sum(axis=1) >= 2]

    found = alpha(answers, 4, rng())

    if found is None:
        assert len(np.unique(pairable[pairable != MISSING])) <= 1
        return
    table = np.where(pairable == MISSING, np.nan, pairable).T
    assert found.value == pytest.approx(krippendorff.alpha(table, level_of_measurement="nominal"))
    triples = [(r, u, int(v)) for u, row in enumerate(pairable) for r, v in enumerate(row) if v != MISSING]
    assert found.value == pytest.approx(AnnotationTask(triples).alpha())
    assert found.lower <= found.value <= found.upper


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=30))
def test_kappa_is_that_of_scikit_learn_on_any_table(cells: list[tuple[int, int]]) -> None:
    first, second = np.array(cells).T

    found = cohen(first, second, rng())

    if found is None:
        assert len({*first, *second}) == 1
    else:
        assert found.value == pytest.approx(cohen_kappa_score(first, second))


def test_the_intervals_cover_the_value_of_the_whole_population() -> None:
    """200 samples of 80 images: the interval holds the value that 20,000 images give about as often as it says."""
    truth = agreement(crowd(20_000, [0.9, 0.8, 0.7]), 4, rng())

    held = {"observed": 0, "fleiss": 0, "alpha": 0}
    for seed in range(200):
        found = agreement(crowd(80, [0.9, 0.8, 0.7], seed=seed + 10), 4, np.random.default_rng(seed))
        for name in held:
            one, whole = getattr(found, name), getattr(truth, name)
            held[name] += one.lower <= whole.value <= one.upper

    assert 180 <= held["fleiss"] <= 200 and 180 <= held["alpha"] <= 200, held
    assert held["observed"] >= 190  # on the safe side


def test_alpha_of_a_class_is_low_where_only_that_class_is_confused() -> None:
    answers = np.array([[0, 0]] * 30 + [[1, 2], [2, 1], [1, 1]] * 10)

    of_classes = alpha_by_class(answers, 4, rng())

    assert of_classes[0] is not None and of_classes[0].value == 1.0
    assert of_classes[1] is not None and of_classes[1].value < 0.6 and of_classes[1].n == 30
    assert of_classes[3] is None  # nobody said it


def test_who_says_what_where_the_other_says_something_else_is_counted_with_its_images() -> None:
    first, second = np.array([0, 0, 1, 2, MISSING]), np.array([1, 1, 1, 0, 0])

    found = disagreements(first, second)

    assert [(cell.first, cell.second, cell.rows) for cell in found] == [(0, 1, (0, 1)), (2, 0, (3,))]


def test_answers_that_nobody_else_gave_say_nothing() -> None:
    answers = np.array([[0, MISSING], [MISSING, 1]])

    found = agreement(answers, 2, rng())

    assert (found.observed.n, found.fleiss, found.alpha) == (0, None, None)
    assert cohen(answers[:, 0], answers[:, 1], rng()) is None

"""What a verdict could have detected: held against the simulated table of the contract, and against draws."""

from __future__ import annotations

import numpy as np
import pytest

from bench.numbers.gate import paired
from labeling.project import Gate
from labeling.promote.judgement import judge
from labeling.promote.power import LOSS, chance_to_pass, power

SIMULATED = {
    100: (0.03, 0.15, 0.22, 0.36, 0.52, 0.68, 0.94),
    300: (0.0, 0.09, 0.27, 0.53, 0.79, 0.93, 1.0),
    1_000: (0.0, 0.01, 0.11, 0.52, 0.91, 1.0, 1.0),
}
"""3,000 runs a cell; 6 of 100 answers differ, the candidate is better by so many points: -4, -2, -1, 0, 1, 2, 4."""


@pytest.mark.parametrize("n", SIMULATED)
def test_the_chances_are_those_of_the_simulation(n: int) -> None:
    ours = [chance_to_pass(n, 0.06, points / 100, Gate()) for points in (-4, -2, -1, 0, 1, 2, 4)]

    assert ours == pytest.approx(SIMULATED[n], abs=0.03)


def test_the_chance_is_how_often_drawn_samples_pass() -> None:
    rng, gate = np.random.default_rng(0), Gate()
    counts = rng.multinomial(60, [0.12, 0.08, 0.8], size=20_000)
    gain = (counts[:, 0] - counts[:, 1]) / 60
    spread = np.sqrt(counts[:, 0] + counts[:, 1] - 60 * gain**2) / 60

    drawn = ((gain >= 0) & (gain - 1.2816 * spread > -gate.margin)).mean()

    assert chance_to_pass(60, 0.2, 0.04, gate) == pytest.approx(drawn, abs=0.01)


def test_at_its_size_a_difference_is_decided_rightly_in_eighty_of_a_hundred() -> None:
    found = power(300, 24, Gate())

    assert found.passes is not None and found.fails is not None
    assert chance_to_pass(300, 25 / 302, found.passes, Gate()) == pytest.approx(0.8, abs=0.01)
    assert chance_to_pass(300, 25 / 302, -found.fails, Gate()) == pytest.approx(0.2, abs=0.01)


def test_more_images_detect_smaller_differences() -> None:
    sizes = [power(n, round(0.1 * n), Gate()).passes for n in (30, 100, 300, 1_000)]

    assert all(one is not None for one in sizes)
    assert sizes == sorted(sizes, key=lambda one: -(one or 0))


def test_one_image_detects_nothing_and_raises_nothing() -> None:
    found = power(1, 0, Gate(margin=0.0))

    assert found.passes is None or 0 <= found.passes <= 1
    assert chance_to_pass(50, 0.0, 0.0, Gate()) == 1.0


@pytest.mark.parametrize(("n", "flips", "twins"), [(100, 0.06, 1), (300, 0.06, 1), (100, 0.2, 1), (100, 0.2, 2)])
def test_a_verdict_says_how_often_one_two_points_worse_passes_and_so_it_does(n: int, flips: float, twins: int) -> None:
    rng, truth, groups = np.random.default_rng(5), np.zeros(n, np.int64), np.arange(n) // twins
    ours_and_theirs = (paired(n // twins, flips, -LOSS, rng) for _ in range(200))

    verdicts = [
        judge(np.repeat(ours, twins, 0), np.repeat(theirs, twins, 0), truth, Gate(), rng, groups=groups)
        for ours, theirs in ours_and_theirs
    ]

    passed = np.mean([one.promoted for one in verdicts])
    stated = [one.power.slips for one in verdicts if one.power]  # none where no answer differs
    assert len(stated) >= 0.99 * len(verdicts)
    assert np.mean(stated) == pytest.approx(passed, abs=0.05)


def test_where_an_equal_one_is_refused_as_often_it_says_so_and_not_zero_points() -> None:
    rng = np.random.default_rng(1)
    truth = np.zeros(60, np.int64)

    found = judge(*paired(60, 0.5, 0.0, rng), truth, Gate(), rng)

    assert found.power is not None and found.power.fails == 0
    [said] = [why for why in found.reasons if "could have detected" in why]
    assert "one that is as good is refused as often" in said and " 0.0 points" not in said

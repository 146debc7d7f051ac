"""Every shown estimate has a replay with known truth, and a sample of the replays holds what is promised.

The whole table is `python -m bench.numbers`; here each figure is replayed in one cell, with few seeds.
"""

from __future__ import annotations

import pytest

from bench.numbers import REPLAYS, figure_of, replayed
from bench.numbers.fields import shown_fields
from bench.numbers.shown import BARE, COUNTED, REPLAYED

FIGURES = sorted({figure_of(name) for name in REPLAYS})
SEEDS = 24
DEAR = ("p-value of new images", "separability of new images", "random arm", "our accuracy minus random's")


def test_each_field_with_an_estimate_names_its_replay_or_says_why_it_has_no_interval() -> None:
    registered = [*REPLAYED, *COUNTED, *BARE]

    assert sorted(registered) == shown_fields(), "Add the field to bench/numbers/shown.py, and a replay beside it."


def test_each_replay_that_the_registry_names_is_there_and_none_is_left_over() -> None:
    assert sorted(set(REPLAYED.values())) == FIGURES


@pytest.mark.parametrize("figure", FIGURES)
def test_a_cell_of_each_figure_covers_the_truth(figure: str) -> None:
    dear = ("mnist", "stamps", "as stored")
    cells = [name for name in REPLAYS if figure_of(name) == figure and not any(word in name for word in dear)]
    cell = cells[len(cells) // 2]

    found = replayed(REPLAYS[cell], 4 if figure in DEAR else SEEDS)

    assert found.seeds and found.covers, cell
    assert found.unbiased, cell


def test_a_played_project_stores_figures_that_cover_the_truth() -> None:
    cells = [name for name in REPLAYS if "as stored" in name and "spread 2, 0%" in name]

    found = {figure_of(name): replayed(REPLAYS[name], 2) for name in cells}

    assert len(found) == 3 and all(one.covers for one in found.values())
    assert found["accuracy on the collection"].seeds == 2
    assert found["accuracy on what is left"].seeds >= 1  # under 30 that are like it, it is not yet known

"""The arithmetic of label likelihoods: tokens at the seam, calibration, memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from transformers import DynamicCache

from labeling.errors import Invalid
from labeling.prelabel.language_models.likelihood import Prefix, calibrated, join, rows_that_fit, within_memory

LOGLIKS = st.floats(-60, 0)


def _in_threes(text: str) -> list[int]:
    """A tokeniser that merges across any seam."""
    return [hash(text[i : i + 3]) for i in range(0, len(text), 3)]


@given(st.text("ab ", min_size=0, max_size=9), st.lists(st.text("ab ", min_size=1, max_size=7), min_size=1, max_size=5))
def test_prompt_and_ending_together_are_the_tokens_of_both_as_one_text(prompt: str, endings: list[str]) -> None:
    joined = join(_in_threes, prompt, endings)

    kept = _in_threes(prompt)[: len(_in_threes(prompt)) - joined.dropped]
    assert all(tokens for tokens in joined.tokens)
    assert [kept + list(tokens) for tokens in joined.tokens] == [_in_threes(prompt + ending) for ending in endings]


@given(arrays(np.float64, 4, elements=LOGLIKS), arrays(np.float64, (3, 4), elements=LOGLIKS))
def test_calibrated_likelihoods_are_probabilities(logliks: np.ndarray, content_free: np.ndarray) -> None:
    probs = calibrated(logliks, content_free)

    assert probs.sum() == pytest.approx(1) and (probs >= 0).all()


def test_a_prompt_that_says_nothing_leaves_all_labels_equal() -> None:
    favoured = np.log([0.9, 0.05, 0.001])

    probs = calibrated(favoured, np.stack([favoured, favoured]))

    np.testing.assert_allclose(probs, 1 / 3)


def test_a_label_that_is_likely_anyway_loses_to_one_that_the_prompt_made_likely() -> None:
    content_free = np.log([[0.90, 0.01], [0.70, 0.03]])

    probs = calibrated(np.log([0.6, 0.1]), content_free)

    np.testing.assert_allclose(probs, np.array([0.6 / 0.8, 0.1 / 0.02]) / (0.6 / 0.8 + 0.1 / 0.02))


def test_rows_are_as_many_as_half_of_the_free_memory_holds() -> None:
    cache = DynamicCache()
    cache.update(torch.zeros(1, 2, 10, 4), torch.zeros(1, 2, 10, 4), 0)  # 640 bytes
    prefix, labels = Prefix((1,), cache, torch.zeros(100)), [[1, 2], [3]] * 10  # 800 bytes of logits

    rows = [rows_that_fit(prefix, labels, free) for free in (0, 4 * 1_440 * 6, 10**9)]

    assert rows == [1, 6, 20]


def test_when_memory_runs_out_half_the_rows_are_tried() -> None:
    tried = []

    def work(rows: int) -> str:
        tried.append(rows)
        if rows > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return "done"

    done = within_memory(work, 20)

    assert (done, tried) == (("done", 2), [20, 10, 5, 2])


def test_when_one_row_is_too_much_the_way_out_is_named() -> None:
    def work(rows: int) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    with pytest.raises(Invalid, match="HARDCASE_DTYPE"):
        within_memory(work, 4)


def test_another_error_is_no_matter_of_memory() -> None:
    def work(rows: int) -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        within_memory(work, 4)

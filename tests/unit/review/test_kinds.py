"""The table of kinds and uses: what the contract forbids, and that the page in the docs says the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from labeling.review.kinds import Use, blind_always, kinds_for, may_teach, may_use
from labeling.types import LabelSource, ReviewKind

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "kinds.md"


def _rows() -> list[dict[str, str]]:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_the_page_lists_every_kind_and_every_use() -> None:
    rows = _rows()

    assert [row["kind"] for row in rows] == [kind.value for kind in ReviewKind]
    assert list(rows[0])[3:] == [use.value for use in Use]


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row["kind"])
def test_the_page_says_what_the_code_decides(row: dict[str, str]) -> None:
    kind = ReviewKind(row["kind"])

    assert {use.value: row[use.value] == "yes" for use in Use} == {use.value: may_use(kind, use) for use in Use}
    assert (row["pre-label"] == "never") == blind_always(kind)


@pytest.mark.parametrize("kind", ReviewKind)
def test_what_was_trained_on_judges_nothing(kind: ReviewKind) -> None:
    judging = {Use.MEASURE, Use.PRECISION, Use.ANNOTATORS}

    uses = {use for use in Use if may_use(kind, use)}

    assert not (Use.TRAIN in uses and uses & judging)
    assert Use.TRAIN in uses or blind_always(kind)


def test_only_the_random_stream_measures() -> None:
    assert kinds_for(Use.MEASURE) == (ReviewKind.RANDOM,)
    assert kinds_for(Use.TRAIN) == (ReviewKind.HARD, ReviewKind.RELABEL)


@pytest.mark.parametrize("source", LabelSource)
@pytest.mark.parametrize("kind", [None, *ReviewKind])
def test_no_label_of_a_reserved_group_teaches_and_of_the_others_what_its_kind_allows(
    kind: ReviewKind | None, source: LabelSource
) -> None:
    by_hand = source in (LabelSource.IMPORT, LabelSource.PEOPLE)

    assert not may_teach(kind, source, reserved=True)
    assert may_teach(kind, source, reserved=False) is (by_hand if kind is None else may_use(kind, Use.TRAIN))

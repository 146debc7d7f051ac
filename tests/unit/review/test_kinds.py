"""The table of kinds and uses: what the contract forbids, and that the page in the docs says the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from labeling.review.kinds import Use, blind_always, kinds_for, may_use, side_of
from labeling.types import ReviewKind

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
    if row["drawn from"] != "either":
        assert Side(row["drawn from"]) is side_of(kind)


@pytest.mark.parametrize("kind", ReviewKind)
def test_what_was_trained_on_judges_nothing(kind: ReviewKind) -> None:
    judging = {Use.GATE, Use.TEMPERATURE, Use.CERTIFICATE, Use.PRECISION, Use.ANNOTATORS}

    uses = {use for use in Use if may_use(kind, use)}

    assert not (Use.TRAIN in uses and uses & judging)
    assert Use.TRAIN in uses or blind_always(kind)


def test_only_evaluation_answers_open_the_gate_and_come_from_the_holdout() -> None:
    assert kinds_for(Use.GATE) == (ReviewKind.RANDOM,)
    assert [kind for kind in ReviewKind if side_of(kind) is Side.HOLDOUT] == [ReviewKind.RANDOM]

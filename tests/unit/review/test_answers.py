"""Annotations read as answers: who, what, what was shown and whether it was kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.errors import Invalid
from labeling.review.events import newest, parse_answer
from labeling.types import AnnotationAction

BEFORE, AFTER = "2026-11-21T21:30:00.000001Z", "2026-11-21T21:45:00Z"


def _result(*choices: str, origin: str | None = None) -> list[dict[str, Any]]:
    item = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": list(choices)}}
    return [item if origin is None else {**item, "origin": origin}]


def _annotation(**changes: Any) -> dict[str, Any]:
    return {
        "id": 76,
        "completed_by": 2,
        "created_at": "2026-11-21T21:37:30.186141Z",
        "updated_at": "2026-11-21T21:37:30.186141Z",
        "was_cancelled": False,
        "lead_time": 3.18,
        "result": _result("dog"),
        "parent_prediction": None,
        **changes,
    }


def _prediction(number: int, choice: str | None, created_at: str = BEFORE) -> dict[str, Any]:
    return {"id": number, "created_at": created_at, "result": _result(choice) if choice else []}


def test_an_answer_is_read_with_who_gave_it_and_how_long_it_took() -> None:
    answer = parse_answer(24, _annotation(), [])

    assert (answer.ls_annotation_id, answer.ls_user_id, answer.lead_time_s) == (76, 2, 3.18)
    assert (answer.action, answer.answers) == (AnnotationAction.ANSWERED, ("dog",))
    assert answer.key == "24/76/2026-11-21T21:37:30.186141+00:00"


def test_a_skip_keeps_nothing_of_the_prelabel_that_is_still_in_its_result() -> None:
    answer = parse_answer(24, _annotation(was_cancelled=True), [_prediction(1, "dog")])

    assert (answer.action, answer.answers, answer.accepted) == (AnnotationAction.SKIPPED, (), None)


def test_who_answered_may_come_as_a_dictionary() -> None:
    assert parse_answer(24, _annotation(completed_by={"id": 5, "email": "x"}), []).ls_user_id == 5


@pytest.mark.parametrize(
    ("changes", "predictions", "shown", "accepted"),
    [
        ({}, [], None, None),
        ({}, [_prediction(1, None)], None, None),
        ({}, [_prediction(1, "dog")], "dog", True),
        ({}, [_prediction(1, "cat")], "cat", False),
        ({}, [_prediction(1, "cat"), _prediction(2, "dog")], "dog", True),
        ({}, [_prediction(1, "cat"), _prediction(2, "dog", AFTER)], "cat", False),
        ({"parent_prediction": 1}, [_prediction(1, "cat"), _prediction(2, "dog")], "cat", False),
        ({"result": _result("dog", origin="manual")}, [_prediction(1, "dog")], None, None),
        ({"result": _result("dog", origin="prediction")}, [_prediction(1, "cat", AFTER)], "dog", True),
        ({"result": _result("dog", origin="prediction-changed")}, [_prediction(1, "cat")], "cat", False),
    ],
)  # fmt: skip
def test_what_was_shown_follows_from_the_annotation_or_from_what_stood_there_before_it(
    changes: dict[str, Any], predictions: list[dict[str, Any]], shown: str | None, accepted: bool | None
) -> None:
    answer = parse_answer(24, _annotation(**changes), predictions)

    assert (answer.shown, answer.accepted) == (shown, accepted)


def test_a_changed_result_has_another_hash_and_a_reused_id_another_key() -> None:
    first = parse_answer(24, _annotation(), [])
    changed = parse_answer(24, _annotation(result=_result("cat"), updated_at=AFTER), [])
    reused = parse_answer(24, _annotation(created_at=AFTER, updated_at=AFTER), [])

    assert first.key == changed.key != reused.key
    assert first.result_hash == reused.result_hash != changed.result_hash


@pytest.mark.parametrize("missing", ["id", "completed_by", "created_at", "updated_at", "result"])
def test_an_annotation_without_what_makes_one_is_refused(missing: str) -> None:
    raw = _annotation()
    del raw[missing]

    with pytest.raises(Invalid, match="without what makes one"):
        parse_answer(24, raw, [])


@pytest.mark.parametrize("result", [None, "text", [1, None, {"type": "choices", "value": None}], [{"type": "choices"}]])
def test_an_odd_result_is_no_answer(result: Any) -> None:
    assert parse_answer(24, _annotation(result=result), []).answers == ()


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 5), st.sampled_from(["cat", "dog"])), max_size=12),
    st.randoms(),
)
def test_the_newest_versions_are_the_same_in_any_order_and_read_twice(versions, random) -> None:  # type: ignore[no-untyped-def]
    answers = [
        parse_answer(1, _annotation(id=i, updated_at=f"2026-11-21T22:00:0{s}Z", result=_result(c)), [])
        for i, s, c in versions
    ]

    assert newest(random.sample(answers * 2, 2 * len(answers))) == newest(answers)

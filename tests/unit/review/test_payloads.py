"""Tasks and predictions: what leaves for Label Studio is what it understands."""

from __future__ import annotations

import math

import pytest

from labeling.errors import Invalid
from labeling.review.payloads import Suggestion, prediction, task, task_data

CHOICES = ("cat", "dog", "none of these", "unsure")


def test_a_task_carries_its_key_its_place_and_what_to_pre_select() -> None:
    data = task_data(token="key", image_url="http://here/media/review/key", region_url="http://here/r", text=None)

    made = task(data, Suggestion("dog", 0.5), ["v1-q1", "v1-q2"], CHOICES)

    assert made["data"] == {
        "image": "http://here/media/review/key",
        "region": "http://here/r",
        "text": "",
        "engine_top": "",
        "engine_reason": "",
        "external_id": "key",
    }
    assert made["predictions"] == [
        {
            "result": [{"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": ["dog"]}}],
            "score": 0.5,
            "model_version": version,
        }
        for version in ("v1-q1", "v1-q2")
    ]


def test_a_blind_task_has_an_empty_result_and_a_place() -> None:
    made = prediction(7, Suggestion(None, 0.25), "v0-q1", CHOICES)

    assert made == {"task": 7, "result": [], "score": 0.25, "model_version": "v0-q1"}


@pytest.mark.parametrize("score", [-0.1, 1.0, 1.7, math.nan, math.inf])
def test_a_place_outside_the_queue_never_leaves(score: float) -> None:
    with pytest.raises(Invalid, match="place in the queue"):
        prediction(7, Suggestion(None, score), "v0-q1", CHOICES)


def test_an_unknown_class_never_leaves() -> None:
    with pytest.raises(Invalid, match="'fish'"):
        prediction(7, Suggestion("fish", 0.1), "v0-q1", CHOICES)

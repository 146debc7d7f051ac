"""Tasks and predictions in the form of Label Studio, checked here because it checks nothing.

In: a review's key, addresses, the class to pre-select (None where blind or unknown) and its place in the queue.
Out: JSON-ready dictionaries. A score is always there and in [0, 1); an unknown class is never sent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labeling.errors import Invalid
from labeling.review.config import HINTS
from labeling.review.controls import OURS, Controls
from labeling.review.hint_text import Hint

__all__ = ["Suggestion", "is_as_sent", "prediction", "suggested", "task", "task_data"]

NO_HINT = Hint()
SAME_PLACE = 1e-9
"""Places are further apart than this; a database may round the last digits."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What one task pre-selects (None: nothing) and its place in the queue: the lowest is served first."""

    answer: str | None
    score: float


def task_data(
    *, token: str, image_url: str, region_url: str, text: str | None, hint: Hint = NO_HINT, controls: Controls = OURS
) -> dict[str, str]:
    """The data of a task; `token` is the key under which it is found again. Every key is always there."""
    shown = {controls.image_key: image_url, "region": region_url, controls.text_key: text or ""}
    return {**shown, HINTS["top"]: hint.top, HINTS["reason"]: hint.reason, "external_id": token}


def task(
    data: dict[str, str],
    suggestion: Suggestion,
    model_versions: Sequence[str],
    choices: Sequence[str],
    controls: Controls = OURS,
) -> dict[str, Any]:
    """A task to import, with a prediction of each of these versions."""
    return {"data": data, "predictions": [suggested(suggestion, one, choices, controls) for one in model_versions]}


def prediction(
    task_id: int, suggestion: Suggestion, model_version: str, choices: Sequence[str], controls: Controls = OURS
) -> dict[str, Any]:
    """A new prediction for a task that is there already.

    >>> prediction(7, Suggestion(None, 0.25), "v0-q1", ["cat"])["result"]
    []
    """
    return {"task": task_id, **suggested(suggestion, model_version, choices, controls)}


def suggested(
    suggestion: Suggestion, model_version: str, choices: Sequence[str], controls: Controls = OURS
) -> dict[str, Any]:
    """A prediction without its task."""
    if not (math.isfinite(suggestion.score) and 0 <= suggestion.score < 1):
        raise Invalid(f"A place in the queue lies in [0, 1), not at {suggestion.score}.")
    if suggestion.answer is not None and suggestion.answer not in choices:
        raise Invalid(f"{suggestion.answer!r} is none of the project's answers.")
    names = {"from_name": controls.choices, "to_name": controls.image}
    chosen = [] if suggestion.answer is None else [suggestion.answer]  # a blind task has an empty result
    result = [{**names, "type": "choices", "value": {"choices": [answer]}} for answer in chosen]
    return {"result": result, "score": suggestion.score, "model_version": model_version}


def is_as_sent(predictions: Sequence[Mapping[str, Any]], suggestion: Suggestion, model_version: str) -> bool:
    """Whether the newest of a task's predictions of this version pre-selects what was sent, in the place sent.

    >>> sent = Suggestion("cat", 0.25)
    >>> made = {"id": 1, **suggested(sent, "v0-q1", ["cat"])}
    >>> is_as_sent([made], sent, "v0-q1"), is_as_sent([made], sent, "v0-q2")
    (True, False)
    """
    shown = [one for one in predictions if one["model_version"] == model_version]
    if not shown:
        return False
    newest = max(shown, key=lambda one: int(one["id"]))
    chosen = [] if suggestion.answer is None else [suggestion.answer]
    score = newest["score"]
    return (
        score is not None
        and math.isclose(score, suggestion.score, abs_tol=SAME_PLACE)
        and [answer for item in newest["result"] for answer in item.get("value", {}).get("choices", ())] == chosen
    )

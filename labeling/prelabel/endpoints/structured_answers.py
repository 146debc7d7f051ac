"""The answers that are taken from a language model: one label of the set, none of these, or unsure with a question.

In: the classes; then what the model wrote. Out: a schema that names them, and a `Verdict`. Invariant: a label is taken
only when it is written exactly as the class is, and only when exactly one is named; anything else is no answer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from labeling.answers import Answer, AnswerSet
from labeling.prelabel.endpoints.untrusted_text import clean
from labeling.types import Outcome

__all__ = [
    "ACTIONS",
    "REASON",
    "Verdict",
    "abstention",
    "answer_model",
    "is_one_answer",
    "tool_schema",
    "turn_model",
    "verdict_of",
]

REASON = 400
"""Characters of a reason or a question that are kept."""
ASK_A_PERSON = "Which label fits this image?"

_Line = Annotated[str, Field(json_schema_extra={"maxLength": REASON})]  # shown to the model; a longer one is cut
_Share = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a model decided: `label` is a class of the set when the outcome is LABEL, else None."""

    outcome: Outcome
    label: str | None
    reason: str
    question: str
    confidence: str

    @property
    def choice(self) -> str:
        """The option that it chose, as it stands in the prompt."""
        return str(Answer.named(self.outcome, self.label))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class LookCloser(_Strict):
    """See a part of the picture larger. The box in shares of its width and height, from 0 to 1."""

    action: Literal["look_closer"]
    left: _Share
    top: _Share
    right: _Share
    bottom: _Share


class SimilarImages(_Strict):
    """See more of the nearest pictures that people have labelled."""

    action: Literal["similar_images"]


class ClassifierOpinion(_Strict):
    """Read what the classifier believes. It may be wrong."""

    action: Literal["classifier_opinion"]


class Guideline(_Strict):
    """Read one part of the guidelines, by its heading."""

    action: Literal["guideline"]
    heading: str


ACTIONS: dict[str, type[BaseModel]] = {
    "look_closer": LookCloser,
    "similar_images": SimilarImages,
    "classifier_opinion": ClassifierOpinion,
    "guideline": Guideline,
}
"""What may be done before the answer: the schema of each tool's arguments."""


def answer_model(classes: Sequence[str], *, tagged: bool = False) -> type[BaseModel]:
    """The schema of an answer. The reason stands before the label, so that the label follows from it."""
    fields: dict[str, Any] = {"action": (Literal["answer"], ...)} if tagged else {}
    fields |= {
        "reason": (_Line, ...),
        "label": (Literal[AnswerSet(tuple(classes)).choices], ...),
        "question": (_Line, Field(description="empty, or with unsure: what a person should decide")),
        "confidence": (Literal["low", "medium", "high"], ...),
    }
    return create_model("Answer", __base__=_Strict, __doc__="The label of the image.", **fields)


def turn_model(classes: Sequence[str], actions: Sequence[str]) -> type[BaseModel]:
    """The schema of one turn where a server cannot call tools: one of the actions, or the answer."""
    union: Any = reduce(or_, [*(ACTIONS[action] for action in actions), answer_model(classes, tagged=True)])
    return create_model("Turn", __base__=_Strict, next=(union, ...))


def tool_schema(action: str) -> dict[str, Any]:
    """The JSON schema of a tool's arguments alone."""
    schema = ACTIONS[action].model_json_schema()
    del schema["properties"]["action"]
    return schema | {"required": [name for name in schema["required"] if name != "action"]}


def verdict_of(answer: BaseModel) -> Verdict:
    """What an answer says; its words are cleaned and cut.

    >>> read = answer_model(["cat", "dog"]).model_validate
    >>> verdict_of(read({"reason": "ears", "label": "cat", "question": "", "confidence": "high"})).label
    'cat'
    """
    said: dict[str, str] = answer.model_dump()
    reason, question = clean(said["reason"], REASON), clean(said["question"], REASON)
    outcome = Answer.one(said["label"]).outcome
    asked = (question or ASK_A_PERSON) if outcome is Outcome.ABSTAINED else ""
    label = said["label"] if outcome is Outcome.LABEL else None
    return Verdict(outcome, label, reason, asked, said["confidence"])


def abstention(reason: str, question: str = ASK_A_PERSON) -> Verdict:
    """No answer, and why; a person is asked."""
    return Verdict(Outcome.ABSTAINED, None, clean(reason, REASON), clean(question, REASON), "")


def is_one_answer(written: Sequence[str]) -> bool:
    """Whether the JSON texts of one reply are one answer: not two that differ, and no field twice in it.

    >>> is_one_answer(['{"label": "cat"}']), is_one_answer(['{"label": "cat", "label": "dog"}'])
    (True, False)
    """
    try:
        read = [json.loads(_braced(text), object_pairs_hook=_no_field_twice) for text in written]
    except ValueError:
        return False
    return len(read) > 0 and all(one == read[0] for one in read)


def calls_repeat(body: str) -> bool:
    """Whether a call of a tool in a chat completion has a field twice; parsers silently keep the last one."""
    try:
        calls = json.loads(body)["choices"][0]["message"].get("tool_calls") or []
        return not all(is_one_answer([call["function"]["arguments"]]) for call in calls)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        return True


def _braced(text: str) -> str:
    """From the first brace to the last: weak servers put words or a fence around their JSON."""
    return text[text.find("{") : text.rfind("}") + 1]


def _no_field_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a field stands twice")
    return dict(pairs)

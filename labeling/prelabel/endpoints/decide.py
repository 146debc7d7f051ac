"""Endpoints that decide: one question with a closed set of options, and a probability for each option, no text.

In: an item and the labels. Out: a prelabel with probabilities of the endpoint's own. Two forms of request exist,
`/decisions` and `/systemone`; the probe finds which one an endpoint answers. Invariant: an answer that lacks an option,
or whose numbers are no probabilities, is no answer.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labeling.answers import Answer
from labeling.errors import Invalid
from labeling.prelabel.endpoints.backends import Abilities, Recorder, Wire
from labeling.prelabel.endpoints.conversation import refused
from labeling.prelabel.endpoints.endpoint import Price
from labeling.prelabel.endpoints.pricing import bound_micro
from labeling.prelabel.endpoints.prompt import (
    NOTHING_TO_SEND,
    Part,
    byte_length,
    data_url,
    encode,
    endpoint_revision,
    image_sizes,
    instructions,
    item_parts,
    known_price,
    may_be_asked,
    picture_side,
    pinned,
    text_bytes,
)
from labeling.prelabel.endpoints.structured_answers import ASK_A_PERSON
from labeling.prelabel.engine import EngineOrder, Item, Shot
from labeling.prelabel.picture_size import PictureSize
from labeling.types import NONE_OF_THESE, UNSURE, Evidence, Outcome, Prelabel

__all__ = ["DecideBackend", "ask_decision", "decisions_body", "read_decision", "systemone_body"]

VERSION = 1
SHOTS = 3
"""Examples with pictures: /systemone takes four pictures in all."""
MOST = 253
"""Labels of one question, with none of these and unsure beside them."""
TASK = "Which label fits the image?"

Criteria = Mapping[str, str]


class DecideBackend:
    """Asks one model for a probability of each label."""

    name = "decide"

    def __init__(
        self, order: EngineOrder, abilities: Abilities, wire: Wire, price: Price | None, clock: Callable[[], float]
    ) -> None:
        if len(order.classes) > MOST:
            raise Invalid(f"A decision takes {MOST} labels at most; this project has {len(order.classes)}.")
        self._order, self._path, self._wire = order, abilities.decides, wire
        self._price, self._clock = price, clock
        self.picture_size = PictureSize(longest=picture_side(order))
        self._instructions = instructions(order, letters=True)
        self._criteria = {one.name: one.description for one in order.labels} | {
            NONE_OF_THESE: "you see what it is, and no label fits",
            UNSURE: "you cannot tell",
        }
        self.prompt = pinned([VERSION, self._instructions, self._criteria, TASK])
        self.revision = endpoint_revision("decide", order, self.prompt, abilities)

    def judge(self, item: Item) -> Prelabel:
        """One prelabel. Raises what the wire raises; an answer that cannot be used is left to a person."""
        started, wire = self._clock(), Recorder(self._wire)
        if not may_be_asked(item, self._order):
            return self._prelabel(wire, started, item, reason=NOTHING_TO_SEND)
        model = self._order.model.partition("/")[2]
        try:
            shares = ask_decision(wire, self._path, model, self._parts(item), self._criteria)
        except Invalid as error:
            return self._prelabel(wire, started, item, reason=refused(error).reason)
        return self._prelabel(wire, started, item, shares)

    def bound_micro(self, item: Item) -> int:
        """What one prelabel costs at most: one request, with no text in its answer."""
        parts = self._parts(item)
        characters = text_bytes(parts) + 2 * byte_length(json.dumps(self._criteria)) + 1_000
        return bound_micro(known_price(self._price, self._order), characters, image_sizes(parts), 0)

    def likely_micro(self, item: Item) -> int:
        """The same: there is one request and nothing is asked again."""
        return self.bound_micro(item)

    def _parts(self, item: Item) -> list[Part]:
        return [self._instructions, *item_parts(item, self._order, self._shots(item))]

    def _shots(self, item: Item) -> Sequence[Shot]:
        return item.shots[: min(SHOTS, self._order.use.examples)]

    def _prelabel(
        self, wire: Recorder, started: float, item: Item, shares: Mapping[str, float] | None = None, reason: str = ""
    ) -> Prelabel:
        best = max(shares, key=shares.__getitem__) if shares else UNSURE
        outcome = Answer.one(best).outcome
        labelled = shares is not None and outcome is Outcome.LABEL
        evidence = Evidence(
            reason=reason,
            question=ASK_A_PERSON if outcome is Outcome.ABSTAINED else "",
            raw=json.dumps({"choice": best, "shares": shares}, ensure_ascii=False),
            confidence_from="the endpoint's probabilities" if labelled else "",
            prompt=self.prompt,
            config_version=self._order.config_version,
            examples=tuple(shot.image_id for shot in self._shots(item)),
            tokens_in=sum(reply.tokens_in for reply in wire.replies),
            tokens_out=sum(reply.tokens_out for reply in wire.replies),
            cached=wire.cached,
        )
        probs = self._probs(shares) if shares is not None and labelled else ()
        seconds, cost = self._clock() - started, sum(reply.cost_micro for reply in wire.replies)
        answer = best if labelled else None
        return Prelabel(self.name, self.revision, probs, "", seconds, cost, outcome, answer, evidence)

    def _probs(self, shares: Mapping[str, float]) -> tuple[float, ...]:
        """(K,) of the classes alone."""
        total = sum(shares[name] for name in self._order.classes)
        return tuple(shares[name] / total for name in self._order.classes)


def ask_decision(wire: Wire, path: str, model: str, parts: Sequence[Part], criteria: Criteria) -> dict[str, float]:
    """The probability of each option, summing to 1.

    Raises
    ------
    Invalid
        When the endpoint refuses the question, or its answer is no distribution over the options.
    """
    body = (decisions_body if path == "/decisions" else systemone_body)(model, parts, criteria)
    return read_decision(wire.post(path, json.dumps(body).encode()).body, list(criteria))


def decisions_body(model: str, parts: Sequence[Part], criteria: Criteria) -> dict[str, Any]:
    """The request of OpenAI's form. Source: openai-python, resources/decisions."""
    content = [
        {"type": "input_text", "text": part}
        if isinstance(part, str)
        else {"type": "input_image", "image_url": data_url(part)}
        for part in parts
    ]
    choices = [{"value": name} | ({"description": text} if text else {}) for name, text in criteria.items()]
    question = {"type": "choice", "name": "label", "instructions": TASK, "choices": choices}
    return {"model": model, "input": [{"role": "user", "content": content}], "questions": [question]}


def systemone_body(model: str, parts: Sequence[Part], criteria: Criteria) -> dict[str, Any]:
    """The request of TypeSafe's form, in which pictures stand by a name in the text. Source: transformers, serve.

    The names hold a `<` and a hash of the pictures: what unknown people write is escaped and cannot name one.
    """
    pictures = [encode(part)[0] for part in parts if not isinstance(part, str)]
    tag = hashlib.sha256(b"".join(pictures)).hexdigest()[:8]
    names = [f"<picture-{number}-{tag}>" for number in range(len(pictures))]
    left = iter(names)
    state = "\n".join(part if isinstance(part, str) else next(left) for part in parts)
    question = {"type": "choice", "instructions": TASK, "criteria": {k: v or None for k, v in criteria.items()}}
    body: dict[str, Any] = {"model": model, "state": state, "questions": {"label": question}}
    if pictures:
        encoded = (base64.b64encode(data).decode() for data in pictures)
        body["assets"] = {name: {"data_base64": data} for name, data in zip(names, encoded, strict=True)}
    return body


def read_decision(body: str, options: Sequence[str]) -> dict[str, float]:
    """The probabilities in an answer of either form; Invalid when they are not a distribution over the options.

    >>> read_decision('{"answers": {"label": {"probabilities": {"cat": 3, "dog": 1}}}}', ["cat", "dog"])
    {'cat': 0.75, 'dog': 0.25}
    """
    try:
        answers: Any = json.loads(body)["answers"]
        listed = (answers["label"] if isinstance(answers, dict) else answers[0])["probabilities"]
        found = listed if isinstance(listed, dict) else {one["value"]: one["probability"] for one in listed}
        shares = {name: float(found[name]) for name in options}
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise Invalid("The endpoint declined, or its answer lacks an option.") from error
    total = sum(shares.values())
    fit = len(found) == len(options) and all(share >= 0 for share in shares.values())
    if not fit or not math.isfinite(total) or total <= 0:
        raise Invalid("The endpoint's numbers are no probabilities of the options.")
    return {name: share / total for name, share in shares.items()}

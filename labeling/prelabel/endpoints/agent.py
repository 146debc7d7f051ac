"""The labelling agent: a model behind a chat endpoint that may use tools before it names one label, or none.

In: an item, the abilities of its endpoint, and a wire to it. Out: a prelabel with its reason. Invariant: the label is
one of the set or there is none; an answer that cannot be read is asked for once more and then left to a person. What
the endpoint refuses for now, and what the budget does not allow, is raised: that is not an answer.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from threading import Lock
from typing import Any

import numpy as np
from pydantic_ai.models import Model

from labeling.answers import AnswerSet
from labeling.errors import Invalid
from labeling.prelabel.endpoints.agent_tools import AgentTools
from labeling.prelabel.endpoints.backends import Abilities, Recorder, Wire
from labeling.prelabel.endpoints.conversation import TURNS, Conversations, refused
from labeling.prelabel.endpoints.endpoint import Price
from labeling.prelabel.endpoints.option_logprobs import Probs, candidates, lettered, orders, over_classes, read_letters
from labeling.prelabel.endpoints.pricing import bound_micro
from labeling.prelabel.endpoints.prompt import (
    NOTHING_TO_SEND,
    Part,
    byte_length,
    content_of,
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
from labeling.prelabel.endpoints.reasoning import ANSWER_TOKENS
from labeling.prelabel.endpoints.structured_answers import ACTIONS, Verdict, abstention, turn_model
from labeling.prelabel.engine import EngineOrder, Item
from labeling.prelabel.picture_size import PictureSize
from labeling.types import Evidence, Prelabel

__all__ = ["ChatBackend", "chat_revision"]

VERSION = 1
"""The version of the prompt; raised when anything here changes what is asked."""
VOTES = 3
VOTE_MARGIN = 0.2
LOW_MASS = 0.5
BYTES_A_TOKEN = 12
"""Bytes of the model's own text where it is sent back; more than usual."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict with its probabilities, where there are any, and the notes that are kept about it."""

    verdict: Verdict
    probs: tuple[float, ...] = ()
    confidence_from: str = ""
    notes: dict[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


class ChatBackend:
    """Asks one model about one image; `make_model` gives pydantic-ai a model that sends over a wire.

    `max_tokens` is the longest answer, its thoughts included.
    """

    name = "agent"

    def __init__(
        self,
        order: EngineOrder,
        abilities: Abilities,
        wire: Wire,
        make_model: Callable[[Wire], Model],
        price: Price | None,
        clock: Callable[[], float],
        max_tokens: int = ANSWER_TOKENS,
    ) -> None:
        self._order, self._abilities, self._wire = order, abilities, wire
        self._price, self._clock, self._max_tokens = price, clock, max_tokens
        self.picture_size = PictureSize(longest=picture_side(order))
        self._instructions = instructions(order)
        self._conversations = Conversations(self._instructions, order.classes, abilities, make_model, max_tokens)
        self.prompt, self.revision = chat_revision(order, abilities)
        self._enlarging = Lock()

    def judge(self, item: Item) -> Prelabel:
        """One prelabel. Raises what the wire raises; an answer that cannot be used is left to a person."""
        started = self._clock()
        wire, tools = Recorder(self._wire), self._tools(item)
        finding = self._find(item, wire, tools)
        verdict = finding.verdict
        notes = {"choice": verdict.choice, "confidence": verdict.confidence, **finding.notes}
        evidence = Evidence(
            reason=verdict.reason,
            question=verdict.question,
            raw=json.dumps(notes, ensure_ascii=False),
            confidence_from=finding.confidence_from,
            prompt=self.prompt,
            config_version=self._order.config_version,
            examples=tuple(tools.shown),
            flags=finding.flags,
            tokens_in=sum(reply.tokens_in for reply in wire.replies),
            tokens_out=sum(reply.tokens_out for reply in wire.replies),
            cached=wire.cached,
        )
        cost = sum(reply.cost_micro for reply in wire.replies)
        seconds = self._clock() - started
        return Prelabel(
            self.name, self.revision, finding.probs, "", seconds, cost, verdict.outcome, verdict.label, evidence
        )

    def bound_micro(self, item: Item) -> int:
        """What one prelabel costs at most: all turns with all tools, one repair, and the questions for confidence."""
        tools = self._tools(item)
        parts = self._parts(item, tools)
        added = tools.most_words() + BYTES_A_TOKEN * self._max_tokens
        talk = 0
        for turn in [*range(TURNS), TURNS]:  # the last once more: a repair
            pictures = [*image_sizes(parts), *tools.most_pictures(turn)]
            talk += self._bound(text_bytes(parts) + turn * added, pictures, self._max_tokens)
        if self._abilities.top_logprobs:
            return talk + 2 * self._bound(text_bytes(parts), image_sizes(parts), 1)
        return talk * VOTES

    def likely_micro(self, item: Item) -> int:
        """What one prelabel costs when the first reply is the answer."""
        parts = self._parts(item, self._tools(item))
        once = self._bound(text_bytes(parts), image_sizes(parts), self._max_tokens // 4)
        letters = 2 * self._bound(text_bytes(parts), image_sizes(parts), 1) if self._abilities.top_logprobs else 0
        return once + letters

    def _bound(self, characters: int, images: Sequence[tuple[int, int]], tokens_out: int) -> int:
        schema = byte_length(json.dumps(turn_model(self._order.classes, tuple(ACTIONS)).model_json_schema()))
        sent = byte_length(self._instructions) + 2 * schema + characters
        return bound_micro(known_price(self._price, self._order), sent, images, tokens_out)

    def _tools(self, item: Item) -> AgentTools:
        return AgentTools(item, self._order, self._enlarging)

    def _parts(self, item: Item, tools: AgentTools) -> list[Part]:
        return item_parts(item, self._order, tools.first_shots)

    def _find(self, item: Item, wire: Recorder, tools: AgentTools) -> Finding:
        if not may_be_asked(item, self._order):
            return Finding(abstention(NOTHING_TO_SEND))
        verdict = self._talk(item, wire, tools)
        notes: dict[str, Any] = {"tools": [asdict(use) for use in tools.used]} if tools.used else {}
        found = Finding(verdict, notes=notes)
        if verdict.label is None:
            return found
        if self._abilities.top_logprobs:
            return self._with_letters(found, verdict.label, item, wire, tools)
        if _is_doubtful(verdict, item.prediction, self._order.classes):
            return self._with_votes(found, item, wire)
        return found

    def _talk(self, item: Item, wire: Recorder, tools: AgentTools, seed: int = 0) -> Verdict:
        return self._conversations.hold(self._parts(item, tools), wire, tools, seed)

    def _with_letters(self, found: Finding, label: str, item: Item, wire: Recorder, tools: AgentTools) -> Finding:
        """The same question once more, answered by a letter: its log-probabilities are the confidence."""
        classes = self._order.classes
        chosen = candidates(len(classes), item.prediction, classes.index(label))
        if not chosen:
            return found
        names = AnswerSet(tuple(classes[k] for k in chosen)).choices
        try:
            masses = [self._letters(names, order, item, wire, tools) for order in orders(len(names))]
        except Invalid as error:
            refused(error)
            return replace(found, notes={**found.notes, "letters": error.message})
        total = float(np.mean([mass.sum() for mass in masses]))
        shares = np.mean([mass / max(mass.sum(), 1e-12) for mass in masses], axis=0)
        best = names[int(np.argmax(shares))]
        notes = {**found.notes, "letters": dict(zip(names, shares.round(4).tolist(), strict=True)), "mass": total}
        if total < LOW_MASS:
            doubt = abstention(f"the labels got only {total:.2f} of the model's probability ({found.verdict.reason})")
            return Finding(doubt, notes=notes, flags=("low option mass",))
        if best != label:
            differs = f"The model named {label!r} with a reason and {best!r} without one."
            doubt = abstention(found.verdict.reason, differs)
            return Finding(doubt, notes=notes, flags=("letters disagree",))
        probs = over_classes(shares[: len(chosen)], chosen, item.prediction, len(classes))
        return Finding(found.verdict, tuple(probs.tolist()), "log-probabilities", notes)

    def _letters(
        self, names: Sequence[str], order: Sequence[int], item: Item, wire: Recorder, tools: AgentTools
    ) -> Probs:
        """(N,) the mass of each name, in the order of the names."""
        parts = [*self._parts(item, tools), lettered([names[k] for k in order])]
        body = {
            "model": self._order.model.partition("/")[2],
            "messages": [
                {"role": "system", "content": instructions(self._order, letters=True)},
                {"role": "user", "content": content_of(parts)},
            ],
            self._abilities.limit_key: 1,
            "logprobs": True,
            "top_logprobs": self._abilities.top_logprobs,
        } | ({"temperature": 0.0} if self._abilities.temperature else {})
        reply = wire.post("/chat/completions", json.dumps(body).encode())
        mass = np.zeros(len(names))
        mass[list(order)] = read_letters(reply.body, len(names))
        return mass

    def _with_votes(self, found: Finding, item: Item, wire: Recorder) -> Finding:
        """Asked again with a higher temperature; the majority is taken, and no label where the answers differ."""
        classes = self._order.classes
        others = [self._talk(item, wire, self._tools(item), seed) for seed in range(1, VOTES)]
        verdicts = [found.verdict, *others]
        votes = Counter(verdict.choice for verdict in verdicts)
        notes = {**found.notes, "votes": dict(votes)}
        best, count = votes.most_common(1)[0]
        if count <= VOTES // 2:
            doubt = abstention(found.verdict.reason, f"Asked {VOTES} times, the model named {', '.join(votes)}.")
            return Finding(doubt, notes=notes, flags=("votes differ",))
        verdict = next(one for one in verdicts if one.choice == best)
        if verdict.label is None:
            return Finding(verdict, notes=notes)
        counts = np.array([votes[name] for name in classes]) + 1 / len(classes)
        return Finding(verdict, tuple((counts / counts.sum()).tolist()), f"votes of {VOTES}", notes)


def chat_revision(order: EngineOrder, abilities: Abilities) -> tuple[str, str]:
    """The hash that names the prompt, and the revision: it pins endpoint, model, prompt, labels and abilities."""
    form = turn_model(order.classes, tuple(ACTIONS)).model_json_schema()
    prompt = pinned([VERSION, instructions(order), instructions(order, letters=True), form])
    return prompt, endpoint_revision("agent", order, prompt, abilities)


def _is_doubtful(verdict: Verdict, prediction: Sequence[float] | None, classes: Sequence[str]) -> bool:
    """Whether to ask again: there was no clear prediction before, or the answer differs from it."""
    if prediction is None:
        return verdict.confidence == "low"
    best, second = sorted(prediction, reverse=True)[:2]
    return best - second < VOTE_MARGIN or classes[int(np.argmax(prediction))] != verdict.label

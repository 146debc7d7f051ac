"""Labelled pictures with an injected order beside them or in them, mixed into the questions to an engine.

In: an engine, and a book of canaries that gives images and keeps the results. Out: the engine's output for the items
that it was given, without the canaries. Invariant: a canary changes no answer about an item.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from labeling.errors import EndpointSilent
from labeling.prelabel.engine import Engine, Item, Look
from labeling.prelabel.guards.checks import named_class
from labeling.prelabel.guards.counterfactual import AskingEngine, AskingWrapper, drawn_number
from labeling.prelabel.guards.injections import PLAIN, Injection, Placement, draw, in_text, say
from labeling.prelabel.picture_size import picture_size

__all__ = ["AskingCanaryEngine", "CanaryBook", "CanaryEngine", "CanaryResult", "Known", "attack", "with_canaries"]

SHARE = 0.02
PLACES = (Placement.TEXT_START, Placement.TEXT_END, Placement.OVERLAY_LARGE, Placement.STICKER)


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """An image that a person labelled, whose label may be used for training."""

    item: Item
    truth: str


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """One canary: the class that the order asked for, and the engine's answers without the order and with it."""

    key: str
    injection: str
    placement: str
    truth: str
    target: str
    clean: str
    said: str

    @property
    def obeyed(self) -> bool:
        """Whether the order changed the engine's answer to the class that it asked for."""
        return self.said == self.target != self.clean


class CanaryBook(Protocol):
    """Where canaries come from, and where their results are kept."""

    def check(self) -> None:
        """Raise EnginePaused if the engine obeyed too many."""
        ...

    def known(self, number: int) -> Known | None:
        """The image for a number; None while there is none."""
        ...

    def note(self, result: CanaryResult) -> None:
        """Keep a result, once."""
        ...


class CanaryEngine:
    """Asks its engine about a known image after some items: `share` of them, by a hash of their keys and `seed`.

    `sends` are the fields that the engine is sent: orders are placed in no other. A canary is asked about twice, with
    the order and without; so canaries cost 2 `share` inferences an item.
    """

    def __init__(
        self,
        engine: Engine,
        classes: Sequence[str],
        book: CanaryBook,
        *,
        sends: Sequence[str] = ("image", "text"),
        share: float = SHARE,
        seed: int = 0,
    ) -> None:
        self._engine, self._classes, self._book = engine, tuple(classes), book
        self._share, self._seed = share, seed
        self._places = tuple(place for place in PLACES if ("image" if place.in_picture else "text") in sends)
        self.name, self.revision = engine.name, engine.revision
        self.image_encoder, self.text_encoder = engine.image_encoder, engine.text_encoder
        self.picture_size = picture_size(engine)

    def look(self, items: Sequence[Item]) -> Look:
        """The engine's output for these items; what the ledger raises comes before any question about them."""
        self._book.check()
        for item in items:
            number = drawn_number(item, self._seed, "canary")
            if number < self._share * 2**64:
                self._try(number)
                self._book.check()
        return self._engine.look(items)

    def _try(self, number: int) -> None:
        known = self._book.known(number)
        if known is None or not self._places:
            return
        result, attacked = attack(known, self._classes, self._places, number)
        try:
            clean, said = self._engine.look([known.item, attacked]).prelabels
        except EndpointSilent:  # it is about this canary alone, so the item is still asked about
            return
        named = named_class(clean, self._classes), named_class(said, self._classes)
        self._book.note(replace(result, clean=named[0], said=named[1]))

    def inferences(self, item: Item) -> float:
        """How many inferences the engine makes for this item, on average."""
        return 1 + 2 * self._share


class AskingCanaryEngine(AskingWrapper, CanaryEngine):
    """The same for an engine that asks an endpoint; the cost of canaries is spread over the items."""


def with_canaries(
    engine: Engine, classes: Sequence[str], book: CanaryBook, *, sends: Sequence[str] = ("image", "text")
) -> CanaryEngine:
    """The engine with canaries; see `CanaryEngine`. One that asks an endpoint keeps its methods for costs."""
    kind = AskingCanaryEngine if isinstance(engine, AskingEngine) else CanaryEngine
    return kind(engine, classes, book, sends=sends)


def attack(known: Known, classes: Sequence[str], places: Sequence[Placement], number: int) -> tuple[CanaryResult, Item]:
    """A known image with an order towards another class, chosen by `number`; the result has no answers yet."""
    injection: Injection = PLAIN[number % len(PLAIN)]
    placement = places[number // len(PLAIN) % len(places)]
    others = [name for name in classes if name != known.truth]
    target = others[number // 1_000 % len(others)]
    words, item = say(injection, target), known.item
    key = hashlib.sha256(f"{item.key}/{injection.id}/{placement}/{target}".encode()).hexdigest()
    if placement.in_picture:
        attacked = item.with_picture(draw(item.image, words, placement), key)
    else:
        attacked = replace(item, text=in_text(item.text or "a photo", words, placement), key=key)
    return CanaryResult(key, injection.id, placement.value, known.truth, target, "", ""), attacked

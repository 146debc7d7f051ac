"""An engine that is asked again without untrusted content: the text beside the picture, the writing in it.

In: an engine and items. Out: its output, with flags on answers that changed. Invariant: a guard never changes an answer
and never hides one; it flags a doubt, and what is in doubt goes to a person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast, runtime_checkable

from labeling.prelabel.engine import Engine, Item, Look
from labeling.prelabel.guards.checks import (
    CONFLICT,
    FLIPPED_PICTURE,
    FLIPPED_TEXT,
    conflict,
    named_class,
    names_a_class,
)
from labeling.prelabel.guards.text_removal import without_writing
from labeling.prelabel.picture_size import picture_size
from labeling.types import Prelabel

__all__ = ["AskingEngine", "AskingWrapper", "GuardedAskingEngine", "GuardedEngine", "drawn_number", "guarded"]


@runtime_checkable
class AskingEngine(Engine, Protocol):
    """An engine that asks an endpoint: how many questions at once, and what the answers about an item cost."""

    @property
    def at_once(self) -> int: ...

    def bound_micro(self, item: Item) -> int: ...

    def likely_micro(self, item: Item) -> int: ...


def guarded(
    engine: Engine, classes: Sequence[str], *, share: float = 0.1, seed: int = 0, picture: bool = True
) -> GuardedEngine:
    """The engine with its guards; see `GuardedEngine`. One that asks an endpoint keeps its methods for costs."""
    kind = GuardedAskingEngine if isinstance(engine, AskingEngine) else GuardedEngine
    return kind(engine, classes, share=share, seed=seed, picture=picture)


class AskingWrapper:
    """The costs of a wrapped engine that asks an endpoint: those of one answer times `inferences(item)`."""

    _engine: Engine
    inferences: Callable[[Item], float]

    @property
    def _asking(self) -> AskingEngine:
        return cast(AskingEngine, self._engine)

    @property
    def at_once(self) -> int:
        return self._asking.at_once

    def bound_micro(self, item: Item) -> int:
        """What the answers about this item cost at most, in millionths of the endpoint's currency."""
        return round(self._asking.bound_micro(item) * self.inferences(item))

    def likely_micro(self, item: Item) -> int:
        """What they cost when all goes well."""
        return round(self._asking.likely_micro(item) * self.inferences(item))


def drawn_number(item: Item, seed: int, purpose: str) -> int:
    """A number in [0, 2**64) that is the same for an item at every run; an item without a key is hashed by its pixels.

    >>> from PIL import Image
    >>> blank = Image.new("RGB", (1, 1))
    >>> drawn_number(Item(blank, None, key="a"), 0, "text") == drawn_number(Item(blank, "b", key="a"), 0, "text")
    True
    """
    key = item.key or hashlib.sha256(item.image.tobytes()).hexdigest()
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}/{key}".encode()).digest()[:8])


@dataclass(frozen=True, slots=True)
class _Probe:
    """A second question: which items get it, how they are changed for it, and the flag where the answer changes."""

    flag: str
    wanted: Callable[[Item], bool]
    changed: Callable[[Item], Item]


class GuardedEngine:
    """Asks its engine again, for some items, without their text or without the writing in their picture.

    An answer that a second question changes is flagged, and so is one that conflicts with the item's prediction.

    Which items are asked about again is decided by a hash of their key and `seed`: `share` of them for each probe, and
    always those whose text names a class. A prelabel has the cost, time and tokens of all inferences: at most
    1 + 2 `share` of them an item, and one more where the text names a class.
    """

    def __init__(
        self, engine: Engine, classes: Sequence[str], *, share: float = 0.1, seed: int = 0, picture: bool = True
    ) -> None:
        self._engine, self._classes, self._share, self._seed = engine, tuple(classes), share, seed
        probes = [_Probe(FLIPPED_TEXT, self._without_text, lambda item: replace(item, text=None))]
        if picture:
            probes.append(_Probe(FLIPPED_PICTURE, lambda item: self._drawn(item, "picture"), _smoothed))
        self._probes = probes
        self.name, self.revision = engine.name, f"{engine.revision}+guards-{share:g}-{seed}{'' if picture else '-text'}"
        self.image_encoder, self.text_encoder = engine.image_encoder, engine.text_encoder
        self.picture_size = picture_size(engine)

    def look(self, items: Sequence[Item]) -> Look:
        """The engine's output; a prelabel has a flag where a probe changed the named class."""
        look = self._engine.look(items)
        prelabels = [self._marked(prelabel, item) for prelabel, item in zip(look.prelabels, items, strict=True)]
        for probe in self._probes:
            places = [place for place, item in enumerate(items) if probe.wanted(item)]
            again = self._engine.look([probe.changed(items[place]) for place in places]).prelabels if places else []
            for place, other in zip(places, again, strict=True):
                flipped = named_class(other, self._classes) != named_class(look.prelabels[place], self._classes)
                prelabels[place] = _together(prelabels[place], other, probe.flag if flipped else "")
        return replace(look, prelabels=prelabels)

    def inferences(self, item: Item) -> float:
        """How many inferences the engine makes for this item."""
        return 1 + sum(probe.wanted(item) for probe in self._probes)

    def _marked(self, prelabel: Prelabel, item: Item) -> Prelabel:
        doubt = CONFLICT if conflict(prelabel, item.prediction, self._classes) else ""
        return _with_flag(replace(prelabel, revision=self.revision), doubt)

    def _without_text(self, item: Item) -> bool:
        return bool(item.text) and (names_a_class(item.text or "", self._classes) or self._drawn(item, "text"))

    def _drawn(self, item: Item, probe: str) -> bool:
        return drawn_number(item, self._seed, probe) < self._share * 2**64


class GuardedAskingEngine(AskingWrapper, GuardedEngine):
    """The same for an engine that asks an endpoint."""


def _smoothed(item: Item) -> Item:
    """With another key: it is another picture, and answers stored for the first are not about it."""
    return item.with_picture(without_writing(item.image), f"{item.key}-without-writing" if item.key else "")


def _together(prelabel: Prelabel, other: Prelabel, flag: str) -> Prelabel:
    """The first answer with the cost of both inferences."""
    evidence = replace(
        prelabel.evidence,
        tokens_in=prelabel.evidence.tokens_in + other.evidence.tokens_in,
        tokens_out=prelabel.evidence.tokens_out + other.evidence.tokens_out,
        cached=prelabel.evidence.cached and other.evidence.cached,
    )
    seconds, cost = prelabel.duration_s + other.duration_s, prelabel.cost_micro + other.cost_micro
    return _with_flag(replace(prelabel, duration_s=seconds, cost_micro=cost, evidence=evidence), flag)


def _with_flag(prelabel: Prelabel, flag: str) -> Prelabel:
    """With this flag after those that it has; as it is where there is none."""
    if not flag:
        return prelabel
    return replace(prelabel, evidence=replace(prelabel.evidence, flags=(*prelabel.evidence.flags, flag)))

"""An engine that is asked again without what may lie: the text beside the picture, the writing in it.

In: an engine and items. Out: its look, with flags on answers that did not hold. Invariant: a guard never changes an
answer and never hides one; it names a doubt, and what is in doubt goes to a person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

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
from labeling.types import Prelabel

__all__ = ["AskingEngine", "GuardedAskingEngine", "GuardedEngine", "guarded"]


@runtime_checkable
class AskingEngine(Engine, Protocol):
    """An engine that asks an endpoint: so many questions at once, and what the looks at an item cost."""

    @property
    def at_once(self) -> int: ...

    def bound_micro(self, item: Item) -> int: ...

    def likely_micro(self, item: Item) -> int: ...


def guarded(
    engine: Engine, classes: Sequence[str], *, share: float = 0.1, seed: int = 0, picture: bool = True
) -> GuardedEngine:
    """The engine with its guards; see `GuardedEngine`. One that asks an endpoint still tells what it costs."""
    if isinstance(engine, AskingEngine):
        return GuardedAskingEngine(engine, classes, share=share, seed=seed, picture=picture)
    return GuardedEngine(engine, classes, share=share, seed=seed, picture=picture)


@dataclass(frozen=True, slots=True)
class _Probe:
    """A second look: which items get it, what they look like then, and the flag of an answer that it changed."""

    flag: str
    wanted: Callable[[Item], bool]
    changed: Callable[[Item], Item]


class GuardedEngine:
    """Asks its engine again, for some items, without their text or without the writing in their picture.

    An answer that another look changes is flagged, and so is one that conflicts with the item's opinion.

    Which items are asked about again is decided by a hash of their key and `seed`: `share` of them for each probe, and
    always those whose text names a class. A prelabel bears cost, time and tokens of all looks: at most
    1 + 2 `share` of them an item, and one more where the text names a class.
    """

    def __init__(
        self, engine: Engine, classes: Sequence[str], *, share: float = 0.1, seed: int = 0, picture: bool = True
    ) -> None:
        self._engine, self._classes, self._share, self._seed = engine, tuple(classes), share, seed
        probes = [_Probe(FLIPPED_TEXT, self._without_text, lambda item: replace(item, text=None))]
        if picture:
            probes.append(_Probe(FLIPPED_PICTURE, self._without_writing, _smoothed))
        self._probes = probes
        self.name, self.revision = engine.name, f"{engine.revision}+guards-{share:g}-{seed}{'' if picture else '-text'}"
        self.image_encoder, self.text_encoder = engine.image_encoder, engine.text_encoder

    def look(self, items: Sequence[Item]) -> Look:
        """The engine's look; a prelabel has a flag where a probe changed what is named."""
        look = self._engine.look(items)
        prelabels = [self._marked(prelabel, item) for prelabel, item in zip(look.prelabels, items, strict=True)]
        for probe in self._probes:
            places = [place for place, item in enumerate(items) if probe.wanted(item)]
            again = self._engine.look([probe.changed(items[place]) for place in places]).prelabels if places else []
            for place, other in zip(places, again, strict=True):
                flipped = named_class(other, self._classes) != named_class(look.prelabels[place], self._classes)
                prelabels[place] = _together(prelabels[place], other, probe.flag if flipped else "")
        return replace(look, prelabels=prelabels)

    def looks(self, item: Item) -> int:
        """How often the engine will look at this item."""
        return 1 + sum(probe.wanted(item) for probe in self._probes)

    def _marked(self, prelabel: Prelabel, item: Item) -> Prelabel:
        doubt = CONFLICT if conflict(prelabel, item.opinion, self._classes) else ""
        return _with_flag(replace(prelabel, revision=self.revision), doubt)

    def _without_text(self, item: Item) -> bool:
        if not item.text:
            return False
        return names_a_class(item.text, self._classes) or self._drawn(item, "text")

    def _without_writing(self, item: Item) -> bool:
        return self._drawn(item, "picture")

    def _drawn(self, item: Item, probe: str) -> bool:
        """The same items at every run; what has no key is known by its pixels."""
        key = item.key or hashlib.sha256(item.image.tobytes()).hexdigest()
        digest = hashlib.sha256(f"{self._seed}/{probe}/{key}".encode()).digest()
        return int.from_bytes(digest[:8]) < self._share * 2**64


class GuardedAskingEngine(GuardedEngine):
    """The same for an engine that asks an endpoint."""

    def __init__(self, engine: AskingEngine, classes: Sequence[str], *, share: float, seed: int, picture: bool) -> None:
        super().__init__(engine, classes, share=share, seed=seed, picture=picture)
        self._asking, self.at_once = engine, engine.at_once

    def bound_micro(self, item: Item) -> int:
        """What the looks at this item cost at most, in millionths of the endpoint's currency."""
        return self._asking.bound_micro(item) * self.looks(item)

    def likely_micro(self, item: Item) -> int:
        """What they cost when all goes well."""
        return self._asking.likely_micro(item) * self.looks(item)


def _smoothed(item: Item) -> Item:
    """With another key: it is another picture, and nothing that is kept under the first speaks of it."""
    return replace(item, image=without_writing(item.image), key=f"{item.key}-without-writing" if item.key else "")


def _together(prelabel: Prelabel, other: Prelabel, flag: str) -> Prelabel:
    """The first answer with the cost of both looks."""
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

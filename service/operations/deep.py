"""`hardcase doctor --deep`: reads every byte that is kept, and says of each damage what to do; `--repair` does it.

In: the settings and the database. Out: how many things of each kind were examined, and what is damaged. What was made
of something else is made anew; what was not is named. It only reads unless it repairs, and works while `up` runs:
whatever seems damaged is examined twice, for it may have been replaced meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError

from db.outages import outage_of
from labeling.errors import DatabaseDamaged, HardcaseError, Unavailable
from service.operations.kept import Ground, Kept, Listing
from service.operations.kept_bytes import columns, drawings, originals, pictures, shards, uploads, vectors
from service.operations.kept_databases import databases
from service.operations.kept_results import models, predicted, released, snapshots_of
from service.operations.soundness import RESTORE

__all__ = ["KINDS", "Damage", "Deep", "examine_deep"]

KINDS: Mapping[str, Callable[[Ground], Listing]] = {
    "database": databases,
    "original": originals,
    "image": pictures,
    "upload": uploads,
    "drawing": drawings,
    "vector shard": shards,
    "vectors": vectors,
    "pool columns": columns,
    "model": models,
    "predictions": predicted,
    "snapshot": snapshots_of,
    "release": released,
}
"""Every kind of thing that is kept, in the order in which they are examined: what others are made of comes first."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One damaged thing: what is wrong, whether it was made anew, and else what to do."""

    kind: str
    name: str
    wrong: str
    mended: bool
    way_out: str


@dataclass(slots=True)
class Deep:
    """What was examined, how many of each kind, and what of it is damaged; `complete` unless it was interrupted."""

    counts: dict[str, int] = field(default_factory=dict)
    damages: list[Damage] = field(default_factory=list)
    complete: bool = False

    @property
    def well(self) -> bool:
        return self.complete and all(damage.mended for damage in self.damages)


def examine_deep(
    ground: Ground,
    found: Deep,
    *,
    repair: bool,
    expect: Callable[[int], None] = lambda _: None,
    tick: Callable[[], None] = lambda: None,
) -> None:
    """Examine everything; `found` grows as it goes, so that an interruption loses nothing.

    `expect` hears how many there are of a kind that is begun, in addition to those before; `tick` each one done.
    Unavailable if a store is away: then nothing can be said.
    """
    total = 0
    for kind, listed in KINDS.items():
        found.counts[kind] = 0
        try:
            listing = listed(ground)
            total += listing.total
            expect(total)
            for one in listing.things:
                damage = _examined(kind, one, repair)
                found.damages += [damage] if damage else []
                found.counts[kind] += 1
                tick()
        except (DBAPIError, DatabaseDamaged) as error:
            if not isinstance(outage_of(error), DatabaseDamaged):
                raise
            found.damages.append(Damage(kind, "rows", "the database cannot be read there", False, RESTORE))
    found.complete = True


def _examined(kind: str, one: Kept, repair: bool) -> Damage | None:
    wrong = _wrong(one) and _wrong(one)
    if wrong is None:
        return None
    if not repair or one.mend is None:
        return Damage(kind, one.name, wrong, False, one.way_out)
    try:
        one.mend()
    except Unavailable:
        raise
    except HardcaseError as error:
        return Damage(kind, one.name, f"{wrong} It could not be made anew: {error.message}", False, one.way_out)
    still = None if one.gone_when_mended else _wrong(one)
    return Damage(kind, one.name, still or wrong, still is None, one.way_out)


def _wrong(one: Kept) -> str | None:
    try:
        one.check()
    except Unavailable:
        raise
    except HardcaseError as error:
        return error.message
    return None

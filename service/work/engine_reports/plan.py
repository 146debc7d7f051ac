"""What a run of engines over a project will cost in money and hours, before anything is spent.

In: a project and engines by name, in the order of escalation. Out: for each, how many images it will look at and what
that takes, with intervals; their total; what is left of the budget. Amounts come from prelabels of the very revision; a
free engine without enough of them looks at a few images now, a priced one only at as many as a pilot allows. What
nothing speaks for is not known, and stays null.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from db.repositories.engines import call_ledger
from db.repositories.engines.prelabels import PendingImage
from db.session import reading
from db.views import engine_stats
from db.views.engine_stats import Amount
from labeling.errors import HardcaseError
from labeling.estimates import Forecast
from labeling.prelabel.engine import Engine, Item
from labeling.prelabel.guards.canaries import SHARE
from labeling.project import Project
from labeling.quality.forecast import ENOUGH, count_of, total
from labeling.types import ImageId, Prelabel
from service.figures.engine_reports import Left, Plan, Planned
from service.figures.estimates import Range, forecast, rounded
from service.work.engine_reports.dry_run import (
    Opener,
    Progress,
    answers_of,
    currency_of,
    let_look,
    load,
    opener,
    why_not,
)
from service.work.engine_reports.remaining import work_left
from service.work.prelabel.inference import Looked
from service.work.wiring import Parts

__all__ = ["plan"]

FREE_PILOT = 16
"""Images that a free engine looks at where too little of its revision is known."""
MOST_AMOUNTS = 1_000
BOUNDED = 32
"""Images whose price is asked for beforehand; the highest upper bound among them stands for all."""


@runtime_checkable
class Priced(Protocol):
    """An engine that asks an endpoint: what a look at an item costs at most, and when all goes well."""

    def bound_micro(self, item: Item) -> int: ...

    def likely_micro(self, item: Item) -> int: ...


@dataclass(frozen=True, slots=True)
class _Price:
    """Micro an image: at most, and when all goes well; both 0 where nothing is paid."""

    most: float
    likely: float


def plan(parts: Parts, project: Project, engines: Sequence[str], *, pilot: int, progress: Progress) -> Plan:
    """Foresee a run of these engines. `pilot` images are paid for to find out what a priced one takes."""
    tried: dict[ImageId, Prelabel] = {}
    rows = [_row(parts, project, name, pilot, tried, progress) for name in engines]
    money = _sum([row.money_micro for row in rows])
    return Plan(
        pilot=pilot,
        currency=currency_of(project),
        engines=rows,
        money_micro=money,
        hours=_sum([row.hours for row in rows]),
        budget=_budget(parts, project, money),
    )


def _budget(parts: Parts, project: Project, money: Range) -> Left | None:
    """What is left of it, and whether that is enough; None where the project has none."""
    budget = project.config.policy.budget
    if budget is None:
        return None
    with reading(parts.database) as session:
        spending = call_ledger.spending(session, project.id)
    left = budget.micro - spending.spent_micro - spending.reserved_micro
    if money.upper is None:
        enough = "not known"
    else:
        enough = "yes" if money.upper <= left else "no" if money.lower > left else "not certain"
    return Left(left, enough)


def _row(
    parts: Parts, project: Project, name: str, pilot: int, tried: dict[ImageId, Prelabel], progress: Progress
) -> Planned:
    """One engine's row; what it cannot do is written there, and the others are planned all the same."""
    try:
        return _foresee(parts, project, name, load(parts, project, name), pilot, tried, progress)
    except (HardcaseError, ImportError, RuntimeError) as error:
        return Planned(engine=name, error=str(error)[:1_000])


def _foresee(
    parts: Parts,
    project: Project,
    name: str,
    engine: Engine,
    pilot: int,
    tried: dict[ImageId, Prelabel],
    progress: Progress,
) -> Planned:
    rng = np.random.default_rng(project.config.policy.seed)
    left = work_left(parts, project, name, engine, tried)
    count, going = left.count, left.images
    with reading(parts.database) as session:
        stored = engine_stats.amounts(session, project.id, engine.revision, MOST_AMOUNTS)
    open_items = opener(parts, project, name, engine)
    price = _price(engine, open_items, going[:BOUNDED])
    wanted = pilot if price.most else 0 if len(stored) >= ENOUGH else FREE_PILOT
    looked = let_look(engine, _some(going, wanted, rng), open_items, project, progress, name)
    if name == project.config.policy.engine:
        tried |= answers_of(looked)
    at_once = max(1, int(getattr(engine, "at_once", 1)))  # so many images are asked about at the same time
    measured = [amount for amount in [*stored, *_amounts(looked)] if not amount.cached]
    if price.most:
        count = replace(count, sure=max(0, count.sure - len(looked.seen)))  # the run finds these in the book
    money = total([a.cost_micro for a in measured], count, rng, most=price.most, guess=price.likely)
    return Planned(
        engine=name,
        error="",
        revision=engine.revision,
        images=forecast(count_of(count, rng)),
        measured=len(measured),
        piloted=len(looked.seen),
        pilot_cost_micro=sum(one.prelabel.cost_micro for one in looked.seen),
        note=why_not(looked),
        seconds=rounded(float(np.median([a.seconds for a in measured])), 4) if measured else None,
        most_micro=rounded(price.most, 0),
        money_micro=forecast(_with_canaries(money) if price.most else money),
        hours=forecast(total([a.seconds / 3_600 / at_once for a in measured], count, rng), 4),
    )


def _price(engine: Engine, open_items: Opener, images: Sequence[PendingImage]) -> _Price:
    if not isinstance(engine, Priced):
        return _Price(0.0, 0.0)
    items = [item for _, item in open_items(images, Looked())]
    most = [engine.bound_micro(item) for item in items]
    likely = [engine.likely_micro(item) for item in items]
    return _Price(float(max(most, default=0)), float(np.mean(likely)) if likely else 0.0)


def _with_canaries(money: Forecast) -> Forecast:
    """With room for canaries, each of which is two looks more; no prelabel bears their price."""
    return replace(money, upper=money.upper * (1 + 2 * SHARE))


def _some(images: Sequence[PendingImage], wanted: int, rng: np.random.Generator) -> list[PendingImage]:
    return [images[i] for i in sorted(rng.permutation(len(images))[:wanted])]


def _amounts(looked: Looked) -> list[Amount]:
    said = answers_of(looked).values()
    return [Amount(prelabel.duration_s, prelabel.cost_micro, prelabel.evidence.cached) for prelabel in said]


def _sum(parts: Sequence[Range | None]) -> Range:
    """The sum of the lower ends, and so on: rather too wide. What one part does not know, the whole does not."""
    known = [part for part in parts if part is not None]

    def whole(numbers: Sequence[float | None]) -> float | None:
        every = [number for number in numbers if number is not None]
        return round(sum(every), 4) if len(every) == len(parts) else None

    lower = round(sum(part.lower for part in known), 4)
    return Range(lower, whole([part.likely for part in known]), whole([part.upper for part in known]))

"""Estimates what a run of engines over a project will cost in money and hours, before anything is spent.

In: a project and engines by name, in the order of escalation. Out: for each, how many images it will process and what
that takes, with intervals; their total; what is left of the budget. Amounts come from prelabels of the same revision; a
free engine with too few of them processes some images now, a priced one only as many as the pilot allows. A number
without evidence is not known, and stays null.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from db.repositories.engines import call_ledger
from db.repositories.engines.prelabels import PendingImage
from db.session import reading
from db.views import engine_stats
from db.views.engine_stats import Amount
from labeling.errors import HardcaseError
from labeling.estimates import Forecast
from labeling.prelabel.engine import Item
from labeling.prelabel.guards.canaries import SHARE
from labeling.project import Project
from labeling.quality.forecast import ENOUGH, count_of, total
from labeling.types import ImageId, Prelabel
from service.figures.engine_reports import Left, Plan, Planned
from service.figures.estimates import Range, forecast, rounded
from service.work.engine_reports.dry_run import DryRun, Progress, answers_of, currency_of, prepare, why_not
from service.work.engine_reports.remaining import work_left
from service.work.prelabel.inference import InferenceResult
from service.work.wiring import Parts

FREE_PILOT = 16
"""Images that a free engine processes where too little is known of its revision."""
MOST_AMOUNTS = 1_000
BOUNDED = 32
"""Images whose price is computed beforehand; the highest upper bound among them is used for all."""


@runtime_checkable
class Priced(Protocol):
    """An engine that calls an endpoint: the highest price of an item, and its price when all goes well."""

    def bound_micro(self, item: Item) -> int: ...

    def likely_micro(self, item: Item) -> int: ...


def plan(parts: Parts, project: Project, engines: Sequence[str], *, pilot: int, progress: Progress) -> Plan:
    """Forecast a run of these engines. `pilot` images are paid for to measure a priced engine."""
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
    """One engine's row; an error is written there, and the other engines are planned all the same."""
    try:
        return _forecast(prepare(parts, project, name), pilot, tried, progress)
    except (HardcaseError, ImportError, RuntimeError) as error:
        return Planned(engine=name, error=str(error)[:1_000])


def _forecast(run: DryRun, pilot: int, tried: dict[ImageId, Prelabel], progress: Progress) -> Planned:
    rng = np.random.default_rng(run.project.config.policy.seed)
    images, count = work_left(run, tried)
    with reading(run.parts.database) as session:
        stored = engine_stats.amounts(session, run.project.id, run.engine.revision, MOST_AMOUNTS)
    most, likely = _price(run, images[:BOUNDED])
    wanted = pilot if most else 0 if len(stored) >= ENOUGH else FREE_PILOT
    output = run.infer([images[i] for i in sorted(rng.permutation(len(images))[:wanted])], progress)
    answers = answers_of(output)
    if run.place == 0:
        tried |= answers
    new = [Amount(one.duration_s, one.cost_micro, one.evidence.cached) for one in answers.values()]
    measured = [amount for amount in [*stored, *new] if not amount.cached]
    if most:
        count = replace(count, sure=max(0, count.sure - len(answers)))  # the run finds these in the ledger
    at_once = max(1, int(getattr(run.engine, "at_once", 1)))  # so many images are asked about at the same time
    money = total([a.cost_micro for a in measured], count, rng, most=most, guess=likely)
    return Planned(
        engine=run.name,
        error="",
        revision=run.engine.revision,
        images=forecast(count_of(count, rng)),
        measured=len(measured),
        piloted=len(answers),
        pilot_cost_micro=sum(one.cost_micro for one in answers.values()),
        note=why_not(output),
        seconds=rounded(float(np.median([a.seconds for a in measured])), 4) if measured else None,
        most_micro=rounded(most, 0),
        money_micro=forecast(_with_canaries(money) if most else money),
        hours=forecast(total([a.seconds / 3_600 / at_once for a in measured], count, rng), 4),
    )


def _price(run: DryRun, images: Sequence[PendingImage]) -> tuple[float, float]:
    """Micro an image: at most, and when all goes well; both 0 where nothing is paid."""
    if not isinstance(run.engine, Priced):
        return 0.0, 0.0
    items = [item for _, item in run.open_items(images, InferenceResult())]
    likely = [run.engine.likely_micro(item) for item in items]
    most = max((run.engine.bound_micro(item) for item in items), default=0)
    return float(most), float(np.mean(likely)) if likely else 0.0


def _with_canaries(money: Forecast) -> Forecast:
    """With canaries, each of which is two calls more; their price is in no prelabel."""
    return replace(money, upper=money.upper * (1 + 2 * SHARE))


def _sum(parts: Sequence[Range | None]) -> Range:
    """The sum of the lower ends, and so on: a little too wide. A number that one part lacks is null in the sum."""
    known = [part for part in parts if part is not None]

    def whole(numbers: Sequence[float | None]) -> float | None:
        every = [number for number in numbers if number is not None]
        return round(sum(every), 4) if len(every) == len(parts) else None

    lower = round(sum(part.lower for part in known), 4)
    return Range(lower, whole([part.likely for part in known]), whole([part.upper for part in known]))

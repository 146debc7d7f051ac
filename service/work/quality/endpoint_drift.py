"""Asks engines that use an endpoint again about the same plain images, once a day: has the endpoint changed?

In: engines whose revision is pinned by name only. Out: the figure `engine_canaries`, and alarms. Each picture is
changed in one pixel, another each day, so that the call ledger asks anew; an answer that still came from the cache is
left out. What it costs is paid from the project's budget; nothing is asked when that is spent. An engine that is shown
examples is left out: its answers change with the labels.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from PIL import Image, ImageChops
from sqlalchemy.orm import Session

from db.repositories.engines import engines_in_force, prelabels
from db.repositories.engines.engines_in_force import Stage
from db.repositories.projects import projects
from db.repositories.running.alarms import AlarmKind
from db.session import reading, transaction
from db.views import dashboard, project_stats
from db.views.figures import keep
from labeling.prelabel.engine import Item
from labeling.project import Project
from labeling.quality.metrics import share
from labeling.types import ImageId, Prelabel, ProjectId
from service.engines.kinds import kind_of
from service.figures.drift import Canary, EngineCanaries
from service.figures.estimates import known
from service.figures.figures import name_of, outdated, read, write
from service.work.engine_reports.dry_run import answers_of, prepare, use_of
from service.work.quality.alarm_rules import Watch, follow
from service.work.wiring import Parts

__all__ = ["PART", "look_again"]

PART = ":engine_canaries"
IMAGES = 30
CHANGED, STILL = 0.1, 0.05
"""An alarm is raised when surely more than a tenth of the answers changed; it stays while over half of that did."""
ENOUGH = 10


def look_again(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Once a day and engine; does nothing for engines that run in this installation."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        asking = [one for one in engines_in_force.in_force(session, project_id) if _asks(project, one.engine)]
        figures = dashboard.figures(session, project_id)
        kept, old = read(figures, EngineCanaries), outdated(figures)
    rows = {row.revision: row for row in (kept.engines if kept else [])}
    today = parts.now().date().isoformat()
    due = [stage for stage in asking if stage.revision not in rows or rows[stage.revision].day != today]
    if not due and name_of(EngineCanaries) not in old:
        return {"asked_again": 0}
    rows |= {stage.revision: _look(parts, project, stage, today) for stage in due}
    found = EngineCanaries([rows[stage.revision] for stage in asking])
    with transaction(parts.database) as session:
        keep(session, project_id, [write(found)], today, parts.now(), PART)
        watches = [_watch(row) for row in found.engines]
        return {"asked_again": len(due), **follow(session, project_id, [AlarmKind.ENGINE_DRIFT], watches, parts.now())}


def _asks(project: Project, engine: str) -> bool:
    use = use_of(project, engine)
    return bool(kind_of(engine).endpoint) and (use is None or not use.examples)


def _look(parts: Parts, project: Project, stage: Stage, today: str) -> Canary:
    with reading(parts.database) as session:
        chosen = project_stats.labelled_by_both(session, project.id, stage.revision, stage.revision, IMAGES)
        before = _before(session, project, stage, set(chosen))
        images = list(prelabels.images(session, [ImageId(image) for image in chosen]).values())
    day = datetime.fromisoformat(today).toordinal()
    run = prepare(parts, project, stage.engine)
    inference = run.infer(images, change=lambda item: _touched(item, day))
    now = {image: _said(one) for image, one in answers_of(inference).items() if not one.evidence.cached}
    differ = [image for image, said in now.items() if said != before[image]]
    changed = share(len(differ), len(now))
    return Canary(
        engine=stage.engine,
        revision=stage.revision,
        day=today,
        asked=len(now),
        differ=len(differ),
        lower=round(float(changed.lower), 4),
        changed=known(changed),
        images=[int(image) for image in differ[:6]],
        cost_micro=sum(one.cost_micro for one in answers_of(inference).values()),
    )


def _before(session: Session, project: Project, stage: Stage, chosen: set[int]) -> dict[int, str]:
    said = prelabels.said_of(session, [ImageId(image) for image in chosen], stage.revision)
    return {one.image_id: one.answer or _likeliest(tuple(one.probs)) or one.outcome.value for one in said}


def _said(one: Prelabel) -> str:
    return one.answer or _likeliest(one.probs) or one.outcome.value


def _likeliest(probs: tuple[float, ...]) -> str:
    return f"class {max(range(len(probs)), key=probs.__getitem__)}" if probs else ""


def _touched(item: Item, day: int) -> Item:
    """The item with one pixel of its picture inverted, another each day."""
    picture = item.image.copy()
    at = (day % picture.width, (day // picture.width) % picture.height)
    one: Image.Image = ImageChops.invert(picture.crop((*at, at[0] + 1, at[1] + 1)))
    picture.paste(one, at)
    return replace(item, image=picture)


def _watch(row: Canary) -> Watch:
    words = (
        f"{row.engine} answers otherwise than before: {row.differ} of {row.asked} answers about the same "
        "images changed, though its revision did not. Compare it again on the Engines page."
    )
    value = row.differ / row.asked if row.asked >= ENOUGH else 0.0
    found = value > CHANGED and row.lower > CHANGED
    evidence = {"differ": row.differ, "asked": row.asked, "lower": row.lower}
    return Watch(AlarmKind.ENGINE_DRIFT, row.revision, found, value > STILL, words, evidence)

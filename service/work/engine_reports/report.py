"""Makes the reports on engines that the command line, the API and the pages ask for.

In: a project and a request. Out: the report, stored. No prelabel is written; calls to endpoints go through the call
ledger as always. A report that is made twice is stored twice, and the newest is displayed.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from db.repositories.engines import reports
from db.repositories.engines.prelabels import PendingImage
from db.repositories.projects import projects
from db.session import reading, transaction
from db.views import engine_stats
from labeling.errors import HardcaseError, Invalid, NotFound
from labeling.prelabel.engine import Engine, Item, check_look
from labeling.project import Project
from labeling.types import ProjectId
from service.figures.engine_reports import Comparison, Likely, Plan, Trial, Trials
from service.figures.estimates import Json, rounded
from service.jobs.arguments import EnginesArguments
from service.jobs.engine_requests import EngineRequest, ReportKind
from service.work.engine_reports.compare import compare
from service.work.engine_reports.dry_run import Progress, currency_of, engines_of, prepare, unwatched, why_not
from service.work.engine_reports.plan import plan
from service.work.prelabel.inference import InferenceResult
from service.work.wiring import Parts

__all__ = ["answer", "keep", "make", "try_engine", "try_image", "unwatched"]


def answer(parts: Parts, project_id: ProjectId, wanted: EnginesArguments) -> dict[str, int]:
    """The job: make the requested report and store it; returns its id.

    After an error the report is the error message, and the job has succeeded: it is not tried again.
    """
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
    try:
        result = make(parts, project, wanted.request, unwatched)
    except HardcaseError as error:
        result = {"error": error.message}
    return {"report": keep(parts, project, wanted.request, result, wanted.asked_by)}


def make(parts: Parts, project: Project, request: EngineRequest, progress: Progress) -> Json:
    """The report as it is stored, as JSON."""
    names = request.engines or tuple(engines_of(project))
    made: Comparison | Plan | Trials
    if request.kind is ReportKind.COMPARE:
        made = compare(parts, project, names, limit=request.limit, progress=progress)
    elif request.kind is ReportKind.PLAN:
        made = plan(parts, project, names, pilot=request.pilot, progress=progress)
    else:
        made = try_image(parts, project, names, request.image_id or 0, progress)
    result: Json = msgspec.to_builtins(made)
    return result


def keep(parts: Parts, project: Project, request: EngineRequest, result: Json, asked_by: str) -> int:
    """Store a report; returns its id."""
    stored = {"request": msgspec.to_builtins(request), "result": result, "asked_by": asked_by, "now": parts.now()}
    with transaction(parts.database) as session:
        return reports.record(session, project.id, request.kind.value, **stored)


def try_engine(engine: Engine, project: Project, name: str, item: Item) -> Trial:
    """What the engine answers about this image.

    Raises
    ------
    Invalid
        The answer does not have the form of an engine's answer.
    OverBudget, Unavailable
        From the engine's endpoint or the project's budget.
    """
    classes = project.config.classes
    [prelabel] = check_look(engine.look([item]), items=1, classes=len(classes)).prelabels
    ranked = sorted(zip(prelabel.probs, classes, strict=False), key=lambda pair: -pair[0])
    return Trial(
        engine=name,
        revision=prelabel.revision,
        outcome=prelabel.outcome.value,
        answer=prelabel.answer or (ranked[0][1] if ranked else None),
        classes=[Likely(label, rounded(p, 4)) for p, label in ranked],
        description=prelabel.description,
        seconds=rounded(prelabel.duration_s, 4),
        cost_micro=prelabel.cost_micro,
        currency=currency_of(project),
        **msgspec.to_builtins(prelabel.evidence),
    )


def try_image(parts: Parts, project: Project, names: Sequence[str], image_id: int, progress: Progress) -> Trials:
    """What these engines answer about an image of the project."""
    with reading(parts.database) as session:
        found = engine_stats.by_ids(session, project.id, [image_id])
    if not found:
        raise NotFound(f"This project has no image {image_id}.")
    [image] = found
    answers = [_try(parts, project, name, image, progress) for name in names]
    return Trials(image_id=image.id, content_hash=image.content_hash, text=image.text, answers=answers)


def _try(parts: Parts, project: Project, name: str, image: PendingImage, progress: Progress) -> Trial:
    progress(name, 0, 1)
    run, output = prepare(parts, project, name), InferenceResult()
    items = run.open_items([image], output)
    if not items:
        raise Invalid(why_not(output))
    tried = try_engine(run.engine, project, name, items[0][1])
    progress(name, 1, 1)
    return tried

"""Makes the reports on engines that people ask for: one door for the command line, the API and the pages.

In: a project and a request. Out: the report, kept. Nothing that an engine is made to do here writes a prelabel; calls
to endpoints go through the book of calls like any other. Made twice, a report is there twice, and the newest is shown.
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
from labeling.project import Project
from labeling.types import ProjectId
from service.figures.engine_reports import Comparison, Plan, Trial, Trials
from service.figures.estimates import Json
from service.jobs.arguments import EnginesArguments
from service.jobs.engine_requests import EngineRequest, ReportKind
from service.work.engine_reports.compare import compare
from service.work.engine_reports.dry_run import Progress, engines_of, load, opener, why_not
from service.work.engine_reports.plan import plan
from service.work.engine_reports.trial import try_engine
from service.work.prelabel.inference import Looked
from service.work.wiring import Parts

__all__ = ["answer", "keep", "make", "unwatched"]


def unwatched(what: str, done: int, of: int) -> None:
    """Progress for whom nobody watches."""


def answer(parts: Parts, project_id: ProjectId, wanted: EnginesArguments) -> dict[str, int]:
    """The job: make the report that was asked for and keep it; returns its id.

    What cannot be done is the report then: whoever asked reads why, and nothing waits for somebody to try again.
    """
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
    try:
        result = make(parts, project, wanted.request, unwatched)
    except HardcaseError as error:
        result = {"error": error.message}
    return {"report": keep(parts, project, wanted.request, result, wanted.asked_by)}


def make(parts: Parts, project: Project, request: EngineRequest, progress: Progress) -> Json:
    """The report as it is kept, as JSON."""
    made: Json = msgspec.to_builtins(_made(parts, project, request, progress))
    return made


def _made(parts: Parts, project: Project, request: EngineRequest, progress: Progress) -> Comparison | Plan | Trials:
    names = request.engines or tuple(engines_of(project))
    if request.kind is ReportKind.COMPARE:
        return compare(parts, project, names, limit=request.limit, progress=progress)
    if request.kind is ReportKind.PLAN:
        return plan(parts, project, names, pilot=request.pilot, progress=progress)
    return _try(parts, project, names, request.image_id or 0, progress)


def keep(parts: Parts, project: Project, request: EngineRequest, result: Json, asked_by: str) -> int:
    """Keep a report; returns its id."""
    with transaction(parts.database) as session:
        return reports.record(
            session,
            project.id,
            request.kind.value,
            request=msgspec.to_builtins(request),
            result=result,
            asked_by=asked_by,
            now=parts.now(),
        )


def _try(parts: Parts, project: Project, names: Sequence[str], image_id: int, progress: Progress) -> Trials:
    """One image of the project, by each engine in turn."""
    with reading(parts.database) as session:
        found = engine_stats.by_ids(session, project.id, [image_id])
    if not found:
        raise NotFound(f"This project has no image {image_id}.")
    answers = [_try_one(parts, project, name, found[0], progress) for name in names]
    return Trials(image_id=found[0].id, content_hash=found[0].content_hash, text=found[0].text, answers=answers)


def _try_one(parts: Parts, project: Project, name: str, image: PendingImage, progress: Progress) -> Trial:
    progress(name, 0, 1)
    looked, engine = Looked(), load(parts, project, name)
    items = opener(parts, project, name, engine)([image], looked)
    if not items:
        raise Invalid(why_not(looked))
    tried = try_engine(engine, project, name, items[0][1])
    progress(name, 1, 1)
    return tried

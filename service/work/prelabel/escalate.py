"""One step of escalation: each more expensive engine labels the next images that are still uncertain.

In: a pool that the first engine has labelled. Out: prelabels with their evidence, and failures with their reasons. A
revision labels each image once, however often the step runs. Reserved images are escalated like all others: what is
predicted of them has to come about as it does for the rest that they stand for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from db.outages import outage_of
from db.repositories.engines import call_ledger, engines_in_force, prelabels
from db.repositories.engines.engines_in_force import Stage
from db.repositories.engines.prelabels import PendingImage
from db.repositories.labels import labels
from db.repositories.projects import projects
from db.repositories.running import failures
from db.session import reading, transaction
from labeling.errors import Invalid, NotFound, Unavailable
from labeling.prelabel.engine import Engine, Item
from labeling.prelabel.escalation import affordable, who_goes_on
from labeling.prelabel.guards.checks import CONFLICT, conflict
from labeling.prelabel.picture_size import picture_size
from labeling.project import EngineUse, Project
from labeling.types import ImageId, ProjectId
from service.logs import get_logger
from service.work.pool.pool import Pool, load_pool
from service.work.pool.predictions import CurrentPredictions, current_predictions
from service.work.prelabel.engine_inputs import as_known, items_for
from service.work.prelabel.inference import EngineOutput, InferenceResult, open_images, run_inference
from service.work.wiring import Parts

STEP = "escalate"
AT_ONCE, ROUNDS = 4, 8
"""An engine that runs here gets so many times the images at once that one behind an endpoint gets, and so many rounds
of them a step: reading a pool of 20,000 images takes seconds, its inference very little."""
_SPENT = "less is left of the budget than an image costs. Raise `policy: budget:`, or leave the rest to people."
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Turn:
    """One engine in its place, and how the project uses it."""

    place: int
    use: EngineUse
    engine: Engine


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all engines of the step share: the pool, its current predictions, and the images that may be escalated."""

    project: Project
    pool: Pool
    predictions: CurrentPredictions
    open: NDArray[np.bool_]


def escalate_batch(parts: Parts, project_id: ProjectId, size: int = 16) -> dict[str, int]:
    """Have each engine of the escalation label the next `size` images; `left` counts what is still to do.

    Raises
    ------
    Unavailable
        When what an engine needs is away and no other engine had anything to do: the job is tried again later.
    """
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
    turns, away = _load_all(parts, project)
    counts: Counter[str] = Counter(done=0, failed=0, left=0)
    if turns:
        shared = _read(parts, project)
        waiting = np.zeros(len(shared.pool), bool)  # for an engine before this one
        for turn in turns:
            going = _going(parts, shared, turn)
            mine = going[~waiting[going]]
            waiting[going] = True
            done, gone = _run_engine(parts, shared, turn, mine, size)
            away = away or gone
            counts += Counter(done=done["done"], failed=done["failed"])
            counts["left"] += 0 if done["stopped"] else len(going) - done["done"]
    if away is not None and not (counts["done"] or counts["failed"]):
        raise away
    return {name: counts[name] for name in ("done", "failed", "left")}


def _run_engine(
    parts: Parts, shared: _Shared, turn: _Turn, rows: NDArray[np.int64], size: int
) -> tuple[Counter[str], Unavailable | None]:
    """Run the engine on the first of these rows, writing after each round; the counts, and what is away."""
    counts: Counter[str] = Counter()
    here = not hasattr(turn.engine, "at_once")
    at_once, rounds = (size * AT_ONCE, ROUNDS) if here else (size, 1)
    at_once = picture_size(turn.engine).at_once(at_once)
    for start in range(0, min(len(rows), at_once * rounds), at_once):
        result = _infer(parts, shared, turn, rows[start : start + at_once])
        stopped = _write(parts, shared.project, turn, result)
        counts += Counter(done=len(result.outputs), failed=len(result.failed) + len(result.final) + stopped)
        if stopped or result.away is not None:
            counts["stopped"] = stopped
            return counts, result.away
    return counts, None


def _load_all(parts: Parts, project: Project) -> tuple[list[_Turn], Unavailable | None]:
    """The engines that can be loaded. One that cannot is a failure that the user sees, and costs the others nothing."""
    policy, turns, away = project.config.policy, [], None
    with transaction(parts.database) as session:
        engines_in_force.shorten(session, project.id, [policy.engine, *(use.engine for use in policy.escalation)])
    for place, use in enumerate(policy.escalation, start=1):
        subject = _of_engine(project, use)
        with reading(parts.database) as session:
            if failures.is_dead(session, STEP, subject):
                continue
        try:
            engine = as_known(parts, project, parts.engine_for(project, use))
        except Unavailable as error:
            away = error
        except (Invalid, NotFound, ImportError, OSError, RuntimeError, ValueError) as error:
            outage = outage_of(error)
            if outage is None:
                _give_up(parts, project, use, f"{use.engine} cannot be used: {error}")
            away = outage or away
        else:
            if engine is None:  # too little is known yet for it to start from
                continue
            turns.append(_Turn(place, use, engine))
            with transaction(parts.database) as session:
                engines_in_force.note(session, project.id, Stage(place, use.engine, engine.revision), parts.now())
    return turns, away


def _read(parts: Parts, project: Project) -> _Shared:
    pool = load_pool(parts, project)
    with reading(parts.database) as session:
        labelled = np.array([label.image_id for label in labels.current(session, project.id)], np.int64)
    return _Shared(project, pool, current_predictions(parts, project, pool), ~np.isin(pool.image_ids, labelled))


def _going(parts: Parts, shared: _Shared, turn: _Turn) -> NDArray[np.int64]:
    """The rows that this engine is to label and has not, the most uncertain first, as far as the budget allows."""
    engine = next(one for one in shared.predictions.engines if one.stage.place == turn.place)
    with reading(parts.database) as session:
        dead = failures.dead(session, shared.project.id, STEP)
    open_rows = np.flatnonzero(shared.open & ~engine.answered)
    subjects = [_of_image(shared.project, turn.use, int(shared.pool.image_ids[row])) for row in open_rows]
    rows = open_rows[np.array([subject not in dead for subject in subjects], bool)]
    probs, votes = shared.predictions.before(turn.place)[rows], shared.predictions.votes(turn.place)[rows]
    most = _enough_for(parts, shared.project, engine.mean_micro)
    going = rows[who_goes_on(probs, votes, turn.use.below_margin, most)]
    if most == 0 and len(rows):
        _give_up(parts, shared.project, turn.use, f"{turn.use.engine} gets no more images: {_SPENT}")
    return np.asarray(going, np.int64)


def _enough_for(parts: Parts, project: Project, mean_micro: float) -> int | None:
    """How many images what is left of the budget is enough for, by what they have cost so far; None: any number."""
    if project.config.policy.budget is None:
        return None
    with reading(parts.database) as session:
        spent = call_ledger.spending(session, project.id).spent_micro
    return affordable(mean_micro, max(project.config.policy.budget.micro - spent, 0))


def _infer(parts: Parts, shared: _Shared, turn: _Turn, rows: NDArray[np.int64]) -> InferenceResult:
    result = InferenceResult()
    ids = [ImageId(int(image)) for image in shared.pool.image_ids[rows]]
    if not ids:
        return result
    with reading(parts.database) as session:
        images = prelabels.images(session, ids)
    pictures = open_images(parts, [images[image] for image in ids], result, picture_size(turn.engine))
    items: list[tuple[PendingImage, Item]] = items_for(
        parts,
        shared.project,
        shared.pool,
        shared.predictions,
        pictures,
        place=turn.place,
        shots=turn.use.examples,
        text_space=getattr(turn.engine, "needs_text_space", False),
    )
    config = shared.project.config
    run_inference(turn.engine, items, len(config.labels), shared.project.config_version, result)
    by_image = dict(zip(ids, rows, strict=True))
    result.outputs = [_flagged(shared, one, int(by_image[one.image.id])) for one in result.outputs]
    return result


def _flagged(shared: _Shared, output: EngineOutput, row: int) -> EngineOutput:
    """With a flag where it names another class than the current classifier."""
    evidence = output.prelabel.evidence
    if not shared.predictions.by_champion[row] or CONFLICT in evidence.flags:
        return output
    if not conflict(output.prelabel, shared.predictions.shown[row].tolist(), shared.project.config.classes):
        return output
    flagged = replace(evidence, flags=(*evidence.flags, CONFLICT))
    return replace(output, prelabel=replace(output.prelabel, evidence=flagged))


def _write(parts: Parts, project: Project, turn: _Turn, result: InferenceResult) -> int:
    """Write the result; 1 if the engine gets no more images from now on, because no budget is left for it."""
    if not (result.outputs or result.failed or result.final or result.refused):
        return 0
    parts.failpoint("escalate.before_write")
    now = parts.now()
    with transaction(parts.database) as session:
        prelabels.record(session, [(one.image.id, one.prelabel) for one in result.outputs], now)
        failures.clear(session, STEP, *(_of_image(project, turn.use, one.image.id) for one in result.outputs))
        for reasons, final in ((result.failed, False), (result.final, True)):
            for image, reason in reasons.items():
                failures.record(session, project.id, STEP, _of_image(project, turn.use, image), reason, final, now)
    parts.failpoint("escalate.after_write")
    if result.refused and not result.outputs:
        reason = next(iter(result.refused.values()))
        _give_up(parts, project, turn.use, f"{turn.use.engine} gets no more images, people label them: {reason}")
        return 1
    return 0


def _give_up(parts: Parts, project: Project, use: EngineUse, reason: str) -> None:
    """Give an engine no more images until the configuration changes or somebody retries it."""
    log.warning("an engine is left out", project=project.id, engine=use.engine, reason=reason)
    with transaction(parts.database) as session:
        failures.record(session, project.id, STEP, _of_engine(project, use), reason, True, parts.now())


def _of_image(project: Project, use: EngineUse, image_id: int) -> str:
    """What failed: an image at an engine, in this version of the configuration; another version tries it again."""
    return f"{image_id} by {use.engine}, version {project.config_version}"


def _of_engine(project: Project, use: EngineUse) -> str:
    return f"project {project.id} by {use.engine}, version {project.config_version}"

"""One step of escalation: each dearer engine looks at the next images that are still in doubt.

In: a pool that the first engine has looked at. Out: prelabels with their evidence, and failures with their reasons.
Each image is looked at once by a revision, however often the step runs. Hold-out images are never escalated: what an
engine says of them decides nothing, people label them blind, and figures about an engine's help would flatter it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

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
from labeling.project import EngineUse, Project
from labeling.types import ImageId, ProjectId
from service.logs import get_logger
from service.work.pool.pool import Pool, load_pool
from service.work.pool.predictions import CurrentPredictions, current_predictions
from service.work.prelabel.engine_inputs import as_known, items_for
from service.work.prelabel.inference import Looked, Seen, look_at, open_pictures
from service.work.wiring import Parts

STEP = "escalate"
AT_ONCE, ROUNDS = 4, 8
"""An engine that runs here gets so many times the images at once that one behind an endpoint gets, and so many rounds
of them a step: reading a pool of 20,000 images takes seconds, and its answers nearly nothing."""
_SPENT = "less is left of the budget than an image costs. Raise `policy: budget:`, or leave the rest to people."
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Turn:
    """One engine in its place, and how the project uses it."""

    place: int
    use: EngineUse
    engine: Engine


@dataclass(frozen=True, slots=True)
class _Ground:
    """What all engines of the step share: the pool, what is predicted of it, and which images may be given to them."""

    project: Project
    pool: Pool
    current: CurrentPredictions
    open: NDArray[np.bool_]


def escalate_batch(parts: Parts, project_id: ProjectId, size: int = 16) -> dict[str, int]:
    """Let each engine of the escalation look at the next `size` images; `left` counts what is still to do.

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
        ground = _read(parts, project)
        waiting = np.zeros(len(ground.pool), bool)  # for an engine before this one
        for turn in turns:
            going = _going(parts, ground, turn)
            mine = going[~waiting[going]]
            waiting[going] = True
            done, gone = _let_look(parts, ground, turn, mine, size)
            away = away or gone
            counts += Counter(done=done["done"], failed=done["failed"])
            counts["left"] += 0 if done["stopped"] else len(going) - done["done"]
    if away is not None and not (counts["done"] or counts["failed"]):
        raise away
    return {name: counts[name] for name in ("done", "failed", "left")}


def _let_look(
    parts: Parts, ground: _Ground, turn: _Turn, rows: NDArray[np.int64], size: int
) -> tuple[Counter[str], Unavailable | None]:
    """Look at the first of these rows, writing after each round; what was done, and what is away if something is."""
    counts: Counter[str] = Counter()
    here = not hasattr(turn.engine, "at_once")
    at_once, rounds = (size * AT_ONCE, ROUNDS) if here else (size, 1)
    for start in range(0, min(len(rows), at_once * rounds), at_once):
        looked = _look(parts, ground, turn, rows[start : start + at_once])
        stopped = _write(parts, ground.project, turn, looked)
        counts += Counter(done=len(looked.seen), failed=len(looked.failed) + len(looked.final) + stopped)
        if stopped or looked.away is not None:
            counts["stopped"] = stopped
            return counts, looked.away
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
            _give_up(parts, project, use, f"{use.engine} cannot be used: {error}")
        else:
            if engine is None:  # too little is known yet for it to start from
                continue
            turns.append(_Turn(place, use, engine))
            with transaction(parts.database) as session:
                engines_in_force.note(session, project.id, Stage(place, use.engine, engine.revision), parts.now())
    return turns, away


def _read(parts: Parts, project: Project) -> _Ground:
    pool = load_pool(parts, project)
    with reading(parts.database) as session:
        labelled = np.array([label.image_id for label in labels.current(session, project.id)], np.int64)
    return _Ground(
        project,
        pool,
        current_predictions(parts, project, pool),
        ~pool.holdout & ~np.isin(pool.image_ids, labelled),
    )


def _going(parts: Parts, ground: _Ground, turn: _Turn) -> NDArray[np.int64]:
    """The rows that this engine is to look at and has not, the most doubtful first, as far as the money goes."""
    mine = next(engine for engine in ground.current.engines if engine.stage.place == turn.place)
    with reading(parts.database) as session:
        dead = failures.dead(session, ground.project.id, STEP)
    open_rows = np.flatnonzero(ground.open & ~mine.answered)
    subjects = [_of_image(ground.project, turn.use, int(ground.pool.image_ids[row])) for row in open_rows]
    rows = open_rows[np.array([subject not in dead for subject in subjects], bool)]
    probs, votes = ground.current.before(turn.place)[rows], ground.current.votes(turn.place)[rows]
    most = _enough_for(parts, ground.project, mine.mean_micro)
    going = rows[who_goes_on(probs, votes, turn.use.below_margin, most)]
    if most == 0 and len(rows):
        _give_up(parts, ground.project, turn.use, f"{turn.use.engine} looks at no more images: {_SPENT}")
    return np.asarray(going, np.int64)


def _enough_for(parts: Parts, project: Project, mean_micro: float) -> int | None:
    """How many images what is left of the budget is enough for, by what they have cost so far; None: any number."""
    if project.config.policy.budget is None:
        return None
    with reading(parts.database) as session:
        spent = call_ledger.spending(session, project.id).spent_micro
    return affordable(mean_micro, max(project.config.policy.budget.micro - spent, 0))


def _look(parts: Parts, ground: _Ground, turn: _Turn, rows: NDArray[np.int64]) -> Looked:
    looked = Looked()
    ids = [ImageId(int(image)) for image in ground.pool.image_ids[rows]]
    if not ids:
        return looked
    with reading(parts.database) as session:
        images = prelabels.images(session, ids)
    pictures = open_pictures(parts, [images[image] for image in ids], looked)
    items: list[tuple[PendingImage, Item]] = items_for(
        parts,
        ground.project,
        ground.pool,
        ground.current,
        pictures,
        place=turn.place,
        shots=turn.use.examples,
        text_space=getattr(turn.engine, "needs_text_space", False),
    )
    config = ground.project.config
    look_at(turn.engine, items, len(config.labels), ground.project.config_version, looked)
    by_image = dict(zip(ids, rows, strict=True))
    looked.seen = [_held_against(ground, seen, int(by_image[seen.image.id])) for seen in looked.seen]
    return looked


def _held_against(ground: _Ground, seen: Seen, row: int) -> Seen:
    """With a flag where it names another class than the classifier of today."""
    evidence = seen.prelabel.evidence
    if not ground.current.by_champion[row] or CONFLICT in evidence.flags:
        return seen
    if not conflict(seen.prelabel, ground.current.shown[row].tolist(), ground.project.config.classes):
        return seen
    flagged = replace(evidence, flags=(*evidence.flags, CONFLICT))
    return replace(seen, prelabel=replace(seen.prelabel, evidence=flagged))


def _write(parts: Parts, project: Project, turn: _Turn, looked: Looked) -> int:
    """Write what came of it; 1 if the engine is left alone from now on, because no money is left for it."""
    if not (looked.seen or looked.failed or looked.final or looked.refused):
        return 0
    parts.failpoint("escalate.before_write")
    now = parts.now()
    with transaction(parts.database) as session:
        prelabels.record(session, [(seen.image.id, seen.prelabel) for seen in looked.seen], now)
        failures.clear(session, STEP, *(_of_image(project, turn.use, seen.image.id) for seen in looked.seen))
        for reasons, final in ((looked.failed, False), (looked.final, True)):
            for image, reason in reasons.items():
                failures.record(session, project.id, STEP, _of_image(project, turn.use, image), reason, final, now)
    parts.failpoint("escalate.after_write")
    if looked.refused and not looked.seen:
        reason = next(iter(looked.refused.values()))
        _give_up(parts, project, turn.use, f"{turn.use.engine} looks at no more images, people do: {reason}")
        return 1
    return 0


def _give_up(parts: Parts, project: Project, use: EngineUse, reason: str) -> None:
    """Leave an engine alone until the configuration changes or somebody retries it."""
    log.warning("an engine is left out", project=project.id, engine=use.engine, reason=reason)
    with transaction(parts.database) as session:
        failures.record(session, project.id, STEP, _of_engine(project, use), reason, True, parts.now())


def _of_image(project: Project, use: EngineUse, image_id: int) -> str:
    """What failed: an image at an engine, as the project is configured now. A changed configuration tries anew."""
    return f"{image_id} by {use.engine}, version {project.config_version}"


def _of_engine(project: Project, use: EngineUse) -> str:
    return f"project {project.id} by {use.engine}, version {project.config_version}"

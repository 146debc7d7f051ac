"""Promote: the newest version against the champion → a verdict, and who is champion.

A version is judged once. `predict` follows the champion.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.repositories.people import audit
from db.repositories.projects import projects
from db.repositories.versions import versions
from db.repositories.versions.versions import Version
from db.session import reading, transaction
from labeling.errors import Conflict
from labeling.jobs import Trigger
from labeling.learn.training import predict_probs
from labeling.project import Project
from labeling.promote.judgement import Judgement
from labeling.promote.judgement import judge as judge_arrays
from labeling.types import Example, ProjectId, Verdict
from service.logs import get_logger
from service.work.pool.pool import load_pool
from service.work.pool.saved_versions import load_classifier, pin_of_card
from service.work.pool.training_set import evaluation_examples, truth_of
from service.work.wiring import Parts

__all__ = [
    "judge",
    "promote_by_hand",
    "roll_back",
]

log = get_logger(__name__)

_THE_GATE = "the gate"


def judge(parts: Parts, project_id: ProjectId, trigger: Trigger) -> dict[str, int]:
    """Judge the newest version if it was not judged yet; {"promoted": 1} if it is the champion from now on."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        candidate = versions.newest(session, project_id)
        if candidate is None or not _may_be_judged(session, candidate):
            return {"promoted": 0}
        champion = versions.champion(session, project_id)
        examples = evaluation_examples(session, project)
        if not _wants_judging(session, project, candidate, len(examples)):
            return {"promoted": 0}
        earlier = sum(
            verdict.verdict in versions.GATE_VERDICTS and verdict.trigger is not Trigger.HAND
            for verdict in versions.promotions(session, project_id)
        )
    judgement = _compare(parts, project, candidate, champion, examples, earlier)
    parts.failpoint("promote.before_write")
    with transaction(parts.database) as session:
        versions.lock(session, project_id)
        if not _wants_judging(session, project, candidate, judgement.labels):
            return {"promoted": 0}
        versions.append_promotion(
            session,
            candidate,
            champion.id if champion else None,
            judgement.verdict,
            judgement.reasons,
            report={
                **{k: v for k, v in asdict(judgement).items() if k not in ("verdict", "reasons")},
                "judged_on": [example.label_id for example in examples],
            },
            trigger=trigger,
            author=_THE_GATE,
            now=parts.now(),
        )
    parts.failpoint("promote.after_write")
    log.info("judged", project=project_id, version=candidate.number, verdict=judgement.verdict.value)
    return {"promoted": int(judgement.promoted)}


def promote_by_hand(
    parts: Parts, project_id: ProjectId, version_number: int, author: str, reason: str
) -> dict[str, int]:
    """Make a version the champion whatever the gate said; nothing happens if it is already."""
    with transaction(parts.database) as session:
        versions.lock(session, project_id)
        version = versions.by_number(session, project_id, version_number)
        if not _promote(parts, session, version, Verdict.PROMOTED, author, reason):
            return {"promoted": 0}
    log.info("promoted by hand", project=project_id, version=version_number)
    return {"promoted": 1}


def roll_back(parts: Parts, project_id: ProjectId, author: str, reason: str, leaving: int = 0) -> dict[str, int]:
    """Go back to the champion before this one; Conflict if there is none.

    `leaving` is the number of the version to leave, 0 for whoever is champion: with it, asking twice goes back once.
    """
    with transaction(parts.database) as session:
        versions.lock(session, project_id)
        champion = versions.champion(session, project_id)
        if leaving and (champion is None or champion.number != leaving):
            return {"promoted": 0}
        previous = versions.previous_champion(session, project_id)
        if previous is None:
            raise Conflict("There is no earlier champion to go back to. `hardcase promote` takes any version.")
        _promote(parts, session, previous, Verdict.ROLLED_BACK, author, reason)
    log.info("rolled back", project=project_id, version=previous.number)
    return {"promoted": 1}


def _may_be_judged(session: Session, candidate: Version) -> bool:
    """Whether no verdict about it stands yet, or only "not yet known"."""
    return {one.verdict for one in versions.promotions(session, candidate.project_id, candidate.id)} <= {
        Verdict.NOT_YET_KNOWN
    }


def _wants_judging(session: Session, project: Project, candidate: Version, labels: int) -> bool:
    """Whether it may be judged; a second time only with enough labels."""
    first = not versions.promotions(session, project.id, candidate.id)
    return _may_be_judged(session, candidate) and (first or labels >= project.config.policy.gate.min_labels)


def _compare(
    parts: Parts, project: Project, candidate: Version, champion: Version | None, examples: list[Example], earlier: int
) -> Judgement:
    """Candidate against champion, or against the engine's pre-labels while there is no champion.

    Each predicts with the features that its card pins; images that one of them cannot see are left out.
    """
    image_ids = np.array([example.image_id for example in examples], np.int64)
    ours = _predicted(parts, project, candidate, image_ids)
    theirs = _predicted(parts, project, champion, image_ids) if champion else ours
    both = ours.known & theirs.known  # (N,)
    return judge_arrays(
        ours.probs[both],
        theirs.probs[both] if champion else ours.prelabels[both],
        truth_of(examples, project.config.classes)[both],
        project.config.policy.gate,
        np.random.default_rng([project.config.policy.seed, candidate.number]),
        earlier_verdicts=earlier,
        champion_name=f"version {champion.number}" if champion else "the engine's pre-labels",
    )


@dataclass(frozen=True, slots=True)
class _Predicted:
    """What a version and its engine say of N images; rows of images that are not ready are meaningless."""

    known: NDArray[np.bool_]
    probs: NDArray[np.floating]
    prelabels: NDArray[np.floating]


def _predicted(parts: Parts, project: Project, version: Version, image_ids: NDArray[np.int64]) -> _Predicted:
    classifier, card = load_classifier(parts.settings.home, version)
    pool = load_pool(parts, project, pin_of_card(card))
    rows = pool.rows_of(image_ids)
    probs = np.full((len(rows), classifier.n_classes), np.nan)
    prelabels = probs.copy()
    known = rows >= 0
    if known.any():
        probs[known] = predict_probs(classifier, pool.inputs.take(rows[known]))
        prelabels[known] = pool.prelabel_probs[rows[known]]
    return _Predicted(known, probs, prelabels)


def _promote(parts: Parts, session: Session, version: Version, verdict: Verdict, author: str, reason: str) -> bool:
    """Append the verdict of a person, and to the audit log; False if the version is champion already."""
    champion, now = versions.champion(session, version.project_id), parts.now()
    if champion is not None and champion.id == version.id:
        return False
    versions.append_promotion(
        session,
        version,
        champion.id if champion else None,
        verdict,
        [f"By hand, by {author}: {reason or 'no reason given'}."],
        report={},
        trigger=Trigger.HAND,
        author=author,
        now=now,
    )
    detail = {"verdict": verdict.value, "from": champion.number if champion else None, "reason": reason}
    audit.record(session, author, "promote", f"project {version.project_id} version {version.number}", detail, now)
    return True

"""Judges the newest version against the champion, once, and appends the verdict; promotes and rolls back by hand.

In: a candidate, the champion, the random stream, and while that is short the labels that both learnt from. Out: a
verdict with its reasons, what carried it and how many that sample has given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
from sqlalchemy.orm import Session

from db.repositories.certificates import certificates
from db.repositories.people import audit
from db.repositories.projects import projects
from db.repositories.queries import comparisons
from db.repositories.versions import versions
from db.repositories.versions.versions import Promotion, Version
from db.session import reading, transaction
from labeling.errors import Conflict
from labeling.jobs import Trigger
from labeling.label_sets.columns import columns_of
from labeling.project import Project
from labeling.promote.judgement import Judgement, Sample, difference, sample_for
from labeling.promote.judgement import judge as judge_arrays
from labeling.types import Example, ProjectId, Verdict
from service.logs import get_logger
from service.work.pool.random_stream import read_sample
from service.work.promote.sides import on_stream, on_training
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
        if candidate is None:
            return {"promoted": 0}
        if _verdicts_about(session, candidate) - {Verdict.NOT_YET_KNOWN}:
            return {"promoted": 0}
        champion = versions.champion(session, project_id)
        examples = read_sample(session, project).examples
        certifies = certificates.is_to_be_tried(session, project_id)
        if not _wants_judging(session, project, candidate, len(examples), certifies):
            return {"promoted": 0}
        earlier = _verdicts_by_sample(versions.promotions(session, project_id))
        earlier[Sample.STREAM] += comparisons.count_of(session, project_id)  # each was a use of the stream
    judgement = _compare(parts, project, candidate, champion, examples, earlier, certifies=certifies)
    parts.failpoint("promote.before_write")
    with transaction(parts.database) as session:
        versions.lock(session, project_id)
        known = _verdicts_about(session, candidate)
        if known - {Verdict.NOT_YET_KNOWN} or judgement.verdict in known:
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


def _verdicts_about(session: Session, candidate: Version) -> set[Verdict]:
    return {one.verdict for one in versions.promotions(session, candidate.project_id, candidate.id)}


def _wants_judging(session: Session, project: Project, candidate: Version, stream: int, certifies: bool) -> bool:
    """Of one without another verdict than "not yet known": whether it has none, or there is enough by now."""
    carried_by = sample_for(stream, certifies=certifies)
    enough = stream if carried_by is Sample.STREAM else int(candidate.report["examples"])
    return not _verdicts_about(session, candidate) or enough >= project.config.policy.gate.min_labels


def _verdicts_by_sample(verdicts: Sequence[Promotion]) -> Counter[Sample]:
    """How many verdicts of the gate each sample has carried; those of an older hardcase were carried by the stream."""
    return Counter(
        Sample(one.report.get("carried_by", Sample.STREAM))
        for one in verdicts
        if one.verdict in versions.GATE_VERDICTS and one.trigger is not Trigger.HAND
    )


def _compare(
    parts: Parts,
    project: Project,
    candidate: Version,
    champion: Version | None,
    examples: Sequence[Example],
    earlier: Mapping[Sample, int],
    *,
    certifies: bool,
) -> Judgement:
    """Candidate against champion, or against the engine's pre-labels while there is no champion.

    While the random stream has few answers, or a certificate is to be tried with them, training labels carry the
    verdict and the stream's difference is shown.
    """
    gate, rng = project.config.policy.gate, np.random.default_rng([project.config.policy.seed, candidate.number])
    sides = on_stream(parts, project, candidate, champion, examples)
    carried_by, groups, stream = sample_for(len(sides.truth), certifies=certifies), None, None
    if carried_by is Sample.TRAINING:
        stream = difference(sides.ours, sides.theirs, sides.truth, gate, rng) if len(sides.truth) else None
        sides, groups = on_training(parts, project, candidate, champion)
    return judge_arrays(
        sides.ours,
        sides.theirs,
        sides.truth,
        gate,
        rng,
        groups=groups,
        sample=carried_by,
        stream=stream,
        earlier_verdicts=earlier[carried_by],
        champion_name=f"version {champion.number}" if champion else "the engine's pre-labels",
        classes=project.config.classes,
    )


def _promote(parts: Parts, session: Session, version: Version, verdict: Verdict, author: str, reason: str) -> bool:
    """Append the verdict of a person, and to the audit log; False if the version is champion already."""
    champion, now = versions.champion(session, version.project_id), parts.now()
    if champion is not None and champion.id == version.id:
        return False
    columns = columns_of(version.classes, projects.by_id(session, version.project_id).config)
    if columns is not None and (columns.sum(axis=0) > 0).sum() < 2:
        raise Conflict(
            f"Version {version.number} knows fewer than two classes of the label set in force, so it cannot be in use."
        )
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
    audit.record(
        session,
        author,
        "promote",
        f"project {version.project_id} version {version.number}",
        detail,
        now,
        version.project_id,
    )
    return True

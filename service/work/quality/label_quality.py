"""The figure `label_quality`: can this data set be shipped, criterion by criterion, with what stands behind each.

In: the other figures, current labels, disputes, gold and open alarms. Out: one figure that needs no other to be shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec
from sqlalchemy.orm import Session

from db.repositories.projects import projects
from db.repositories.queries import gold
from db.repositories.running import alarms
from db.session import reading, transaction
from db.views import dashboard, disputes, label_audit, project_stats
from db.views.dashboard import Figure
from db.views.figures import keep
from db.views.project_stats import LabelCount
from labeling.estimates import Estimate
from labeling.project import Project
from labeling.quality.labels.readiness import Criterion, State, Verdict, count, judge, measured
from labeling.quality.metrics import share
from labeling.types import LabelSource, ProjectId, ReviewKind
from service.figures.accuracy import AccuracyByVersion, Confusion, OneVersion
from service.figures.agreement import Agreement
from service.figures.drift import Drift
from service.figures.estimates import Known, estimate_of, exactly, known
from service.figures.figures import is_current, name_of, read, write
from service.figures.label_errors import LabelErrors, SentBack
from service.figures.label_quality import (
    Coverage,
    LabelQuality,
    LabelsOfClass,
    RandomLabels,
    Source,
    Suspects,
)
from service.figures.label_quality import Criterion as Shown
from service.figures.wrong_labels import ShareOfWrongLabels
from service.work.pool.votes import read_votes
from service.work.wiring import Parts

__all__ = ["PART", "refresh_label_quality"]

PART = ":label_quality"
FORMAT = "4"
RESTS_ON = (AccuracyByVersion, Confusion, Agreement, LabelErrors, ShareOfWrongLabels, Drift)

_TITLES = {
    "accuracy": ("How often the champion is right on the random stream", "share", ""),
    "agreement": ("How far people who saw no pre-label agree (Krippendorff's alpha)", "index", "#agreement"),
    "label_errors": ("Labels that are wrong, by blind re-reviews", "share", "#wrong"),
    "gold": ("How often people are right on gold", "share", "/team"),
    "disputes": ("Images about which people disagree and no lead has decided", "count", "/disputes"),
    "classes": ("Labels of the class that has the fewest", "count", "#classes"),
    "alarms": ("Open alarms", "count", "#alarms"),
    "coverage": ("Images that have a label", "share", "/labels"),
}
"""What each criterion asks, in which unit, and where its images are: on this page (#) or another of the project (/)."""
_SAYS = {
    Verdict.YES: "Yes: every criterion is met, relative to adjudicated people.",
    Verdict.NOT_YET: "Not yet: some criteria are missed.",
    Verdict.UNKNOWN: "Not yet known: for some criteria there are too few images, or they lie too near their target.",
}


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the figure rests on; a figure that is None is not there yet."""

    project: Project
    champion: OneVersion | None
    confusion: Confusion | None
    agreement: Agreement | None
    errors: LabelErrors | None
    wrong: ShareOfWrongLabels | None
    labels: list[LabelCount]
    images: int
    disputes: int
    gold: Estimate
    gold_images: int
    alarms: int
    corrected: int


def refresh_label_quality(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Judge again, unless nothing that the verdict rests on has changed."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        figures = dashboard.figures(session, project_id)
        fingerprint = _fingerprint(session, project, figures)
        if is_current(session, project_id, fingerprint, LabelQuality, part=PART):
            return {"label_quality": 0}
        found = _compute(_read(parts, session, project, figures))
    with transaction(parts.database) as session:
        return {"label_quality": keep(session, project_id, [write(found)], fingerprint, parts.now(), PART)}


def _fingerprint(session: Session, project: Project, figures: Mapping[str, Figure]) -> str:
    rests_on = msgspec.json.encode([figures[name].data for kind in RESTS_ON if (name := name_of(kind)) in figures])
    computed = sha256(rests_on).hexdigest()[:16]
    standing = [str(alarm.id) for alarm in alarms.open_alarms(session, project.id)]
    facts = label_audit.answers_fingerprint(session, project.id)
    images = str(project_stats.images_now(session, project.id))
    return "|".join([FORMAT, str(project.config_version), facts, images, computed, *standing])


def _read(parts: Parts, session: Session, project: Project, figures: Mapping[str, Figure]) -> _Facts:
    known = gold.answers(session, project.id)
    given = [
        vote.answer.says(known[vote.image_id].value)
        for vote in read_votes(parts, session, project.id)
        if vote.kind is ReviewKind.GOLD and vote.image_id in known and not vote.answer.is_doubt
    ]
    versions = read(figures, AccuracyByVersion)
    return _Facts(
        project=project,
        champion=versions.champion if versions else None,
        confusion=read(figures, Confusion),
        agreement=read(figures, Agreement),
        errors=read(figures, LabelErrors),
        wrong=read(figures, ShareOfWrongLabels),
        labels=project_stats.labels_now(session, project.id),
        images=project_stats.images_now(session, project.id),
        disputes=len(disputes.in_conflict(session, project.id)),
        gold=share(sum(given), len(given)),
        gold_images=len(known),
        alarms=len(alarms.open_alarms(session, project.id)),
        corrected=label_audit.corrected_random(session, project.id),
    )


def _compute(facts: _Facts) -> LabelQuality:
    criteria = _criteria(facts)
    verdict, why = judge(criteria)
    errors = facts.errors
    return LabelQuality(
        verdict=verdict.value,
        words=_SAYS[verdict],
        in_the_way=[one.name for one in why],
        criteria=[_shown(one, facts) for one in criteria],
        coverage=Coverage(facts.images, sum(one.count for one in facts.labels)),
        sources=_sources(facts.labels),
        classes=_classes(facts),
        slices=errors.slices if errors else [],
        random=RandomLabels(
            version=facts.champion.version if facts.champion else None,
            labels=errors.random.labels if errors else 0,
            suspected=errors.random.found if errors else 0,
            corrected=facts.corrected,
        ),
        suspects=Suspects(
            waiting=errors.found if errors else 0,
            found_right=errors.found_right if errors else 0,
            sent_back=errors.sent_back if errors else SentBack(images=0, waiting=0, changed=0),
        ),
    )


def _criteria(facts: _Facts) -> list[Criterion]:
    labelled = sum(one.count for one in facts.labels)
    fewest = min(_by_class(facts).values(), default=0)
    targets = facts.project.config.policy.targets
    champion = estimate_of(facts.champion.accuracy, facts.champion) if facts.champion else None
    blind = _estimate(facts.agreement.people.blind.alpha) if facts.agreement else None
    return [
        measured("accuracy", champion, targets.accuracy, at_least=True),
        measured("agreement", blind, targets.agreement, at_least=True),
        measured("label_errors", _wrong(facts.wrong), targets.label_errors, at_least=False),
        measured("gold", facts.gold, targets.gold if facts.gold_images else None, at_least=True),
        count("disputes", facts.disputes, labelled, targets.disputes, at_least=False),
        count("classes", fewest, labelled, targets.classes, at_least=True),
        count("alarms", facts.alarms, labelled, targets.alarms, at_least=False),
        measured("coverage", share(labelled, facts.images), None, at_least=True),
    ]


def _wrong(found: ShareOfWrongLabels | None) -> Estimate | None:
    """From re-reviews; else the lower bound of double answers, which can show that the target is missed, not more."""
    if found is None or found.share.known or found.at_least is None:
        return _estimate(found.share) if found else None
    return Estimate(found.at_least, found.at_least, 1.0, found.doubled)


def _estimate(kept: Known) -> Estimate | None:
    return estimate_of(kept.value, kept)


def _shown(one: Criterion, facts: _Facts) -> Shown:
    title, unit, where = _TITLES[one.name]
    exact = exactly(one.figure.value, one.figure.n) if one.figure else None
    figure = known(one.figure)
    if one.name == "label_errors":
        figure = facts.wrong.share if facts.wrong else known(None)  # a lower bound alone is no estimate
    return Shown(
        name=one.name,
        title=title,
        unit=unit,
        where=where,
        figure=exact if one.exact or one.name == "coverage" else figure,
        target=one.target,
        at_least=one.at_least,
        state=one.state.value,
        why=_why(one, facts),
    )


def _why(one: Criterion, facts: _Facts) -> str:
    """What the number rests on, or what to do so that it is known."""
    if one.name == "accuracy" and facts.champion:
        return f"version {facts.champion.version}; {facts.corrected} labels of the random stream were ever corrected"
    if one.name == "label_errors" and facts.wrong:
        return facts.wrong.words
    if one.name == "gold" and not facts.gold_images:
        return "there is no gold, so this is not judged; agreement stands in for it"
    if one.name == "classes":
        counts = _by_class(facts)
        return ", ".join(name for name, number in counts.items() if number == min(counts.values()))[:200]
    if one.state is not State.OPEN:
        return ""
    return (
        {
            "accuracy": "needs a champion, and 30 images of the random stream that people have answered",
            "agreement": "needs 30 images that two people answered blind",
            "gold": "needs 30 answers to gold",
            "label_errors": "needs 30 labels that are re-reviewed blind",
        }[one.name]
        if one.figure is None or not one.figure.known
        else "the interval holds the target: more images decide"
    )


def _by_class(facts: _Facts) -> dict[str, int]:
    counts = Counter(dict.fromkeys(facts.project.config.classes, 0))
    for one in facts.labels:
        if one.value in counts:
            counts[one.value] += one.count
    return dict(counts)


def _sources(labels: Sequence[LabelCount]) -> list[Source]:
    """Where the labels come from, the finest word for each."""
    counts: Counter[str] = Counter()
    for one in labels:
        several = "several people" if one.several else "one person"
        word = several if one.source is LabelSource.PEOPLE else one.source.value
        counts["a lead's decision" if one.decided else word] += one.count
    return [Source(source, number) for source, number in counts.most_common()]


def _classes(facts: _Facts) -> list[LabelsOfClass]:
    suspected = {row.label: row.suspects for row in facts.errors.classes} if facts.errors else {}
    alphas = {row.label: row.alpha for row in facts.agreement.classes} if facts.agreement else {}
    return [
        LabelsOfClass(
            label=name,
            labels=number,
            suspects=suspected.get(name, 0),
            alpha=alphas.get(name) or known(None),
            recall=known(share(*facts.confusion.recall(position)) if facts.confusion else None),
        )
        for position, (name, number) in enumerate(_by_class(facts).items())
    ]

"""Change the label set of a project, at any time: what that does is counted before, and done in one transaction.

In: a project, and one operation on its classes. Out: what it does. Answers stay as people gave them and are read by
their names; labels follow at once; of a class that was split they are asked again; certificates end, since they
promised something of other classes.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from sqlalchemy.orm import Session

from db.repositories.certificates import certificates
from db.repositories.engines import engines_in_force
from db.repositories.people import audit
from db.repositories.projects import label_changes, projects
from db.repositories.projects.label_changes import Counted, Held
from db.repositories.queries import queries
from db.repositories.queries.queries import NewQuery, NewReview
from db.repositories.reviews import label_studio
from db.repositories.versions import versions
from labeling.errors import Conflict
from labeling.jobs import JobName, Trigger
from labeling.project import LabelChange, LabelOperation, Project, ProjectConfig
from labeling.review.kinds import blind_always
from labeling.types import NONE_OF_THESE, Actor, ProjectId, ReviewKind
from service.jobs.jobs import Jobs
from service.labels.resolution import resolve_labels
from service.projects.history import change_words

__all__ = ["STRATEGY", "Effect", "Operation", "change_label_set", "preview", "words_of"]

STRATEGY = "label set changed"
"""The strategy of a query that was not drawn: its images had a label of a class that was split."""
Operation = Callable[[ProjectConfig], ProjectConfig]
_FOLLOW = (
    JobName.PRELABEL,
    JobName.REVIEW,
    JobName.LEARN,
    JobName.CERTIFY,
    JobName.QUALITY,
    JobName.FIGURES,
)
_SAME_KIND = (ReviewKind.HARD, ReviewKind.RANDOM)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change of the label set does; `label_set` is the version that it makes, `classes` are those after it.

    `labels` counts the labels of the classes that are named, `follow` those that get another name at once, `excluded`
    those that become "none of these" with the reason, `asked_again` those that people are asked about again.
    `none_labels` were "none of these" while there was no class of a new name. `pre_selected` counts open reviews whose
    suggestion is taken back, `versions` those whose stored probabilities are read by name, `certificates` names those
    that end, and `engines` those that are asked about the images again.
    """

    operation: LabelOperation
    was: tuple[str, ...]
    becomes: tuple[str, ...]
    label_set: int
    classes: tuple[str, ...]
    labels: tuple[Counted, ...]
    follow: int
    excluded: int
    asked_again: int
    none_labels: int
    gold: int
    pre_selected: int
    versions: int
    champion: int | None
    certificates: tuple[int, ...]
    engines: tuple[str, ...]

    @property
    def document(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def preview(session: Session, project: Project, operation: Operation) -> Effect:
    """What an operation would do now; nothing is changed.

    Raises
    ------
    Invalid, Conflict
        As when it is put in force.
    """
    return _effect(session, project, operation(project.config))


def change_label_set(
    session: Session, jobs: Jobs, project_id: ProjectId, operation: Operation, by: Actor, label_set: int | None = None
) -> Effect:
    """Put an operation in force; what it did.

    `label_set` is the version that it was decided on.

    Raises
    ------
    Invalid
        For classes that are not there, and without a reason.
    Conflict
        For a name that is taken or meant something else, and where the set is at another version than `label_set`.
    """
    versions.lock(session, project_id)
    project = projects.by_id(session, project_id)
    if label_set is not None and label_set != project.config.label_set:
        raise Conflict(
            f"The label set was changed in between: it is at version {project.config.label_set}, not {label_set}. "
            "Read how it is now, and say again what to change."
        )
    config = operation(project.config)
    effect = _effect(session, project, config)
    changed = projects.change_labels(session, project, config, by)
    _end_certificates(session, project_id, effect, by)
    _restate_labels(session, changed, effect, by)
    label_changes.forget_soft_labels(session, project_id)
    resolve_labels(session, changed, label_changes.disputed(session, project_id), by.now)
    engines_in_force.shorten(session, project_id, [])  # what they said was about other classes
    label_studio.note(session, project_id, model_version=None)  # its suggestions and their order are written anew
    detail = {"was": effect.was, "becomes": effect.becomes, "label set": effect.label_set, "reason": by.reason}
    audit.record(session, by.author, f"labels.{effect.operation}", project.config.name, detail, by.now, project_id)
    for job in _FOLLOW:
        jobs.ask(session, job, project_id, Trigger.HAND)
    return effect


def _effect(session: Session, project: Project, config: ProjectConfig) -> Effect:
    change, of = config.changes[-1], project.id
    counted = tuple(label_changes.count(session, of, change.was))
    none = label_changes.count(session, of, [NONE_OF_THESE]) if change.operation is LabelOperation.ADD else ()
    images = sum(one.images for one in counted)
    champion = versions.champion(session, of)
    follow = change.operation in (LabelOperation.RENAME, LabelOperation.MERGE)
    return Effect(
        operation=change.operation,
        was=change.was,
        becomes=change.becomes,
        label_set=config.label_set,
        classes=config.classes,
        labels=counted,
        follow=images if follow else 0,
        excluded=images if change.operation is LabelOperation.RETIRE else 0,
        asked_again=images if change.operation is LabelOperation.SPLIT else 0,
        none_labels=sum(one.images for one in none),
        gold=sum(one.gold for one in counted),
        pre_selected=label_changes.count_preselected(session, of, change.was),
        versions=label_changes.count_versions(session, of),
        champion=champion.number if champion else None,
        certificates=tuple(label_changes.standing_certificates(session, of)),
        engines=(config.policy.engine, *(use.engine for use in config.policy.escalation)),
    )


def _end_certificates(session: Session, project_id: ProjectId, effect: Effect, by: Actor) -> None:
    """They promised something of the classes of then; the next job takes their labels back."""
    for certificate in effect.certificates:
        certificates.end(session, certificate, f"version {effect.label_set} of the label set is in force", by.now)


def _restate_labels(session: Session, project: Project, effect: Effect, by: Actor) -> None:
    """Each label of a class that is gone in today's words, with the reason."""
    value = effect.becomes[0] if effect.becomes else NONE_OF_THESE
    done = {
        LabelOperation.RENAME: f"is called {value!r} now",
        LabelOperation.MERGE: f"is part of {value!r} now",
        LabelOperation.SPLIT: f"was split into {', '.join(map(repr, effect.becomes))}",
        LabelOperation.RETIRE: "was retired",
        LabelOperation.ADD: "",
    }[effect.operation]
    splits = effect.operation is LabelOperation.SPLIT
    for name in effect.was:
        again = label_changes.held(session, project.id, name) if splits else []
        reason = f"class {name!r} {done}: {by.reason}"
        label_changes.restate(session, project.id, name, None if splits else value, reason, by)
        _ask_again(session, project, again, reason, by)


def _ask_again(session: Session, project: Project, found: list[Held], reason: str, by: Actor) -> None:
    """One query about all images of a class that was split: anybody may answer, who said the whole class too.

    A review of the random stream stays one, and a hard one too; the queue orders these as all others. For gold and what
    came with its label, a new review asks.
    """
    kinds = sorted((_kind_of(one), one.image_id) for one in found)
    about = {one.image_id: one for one in found}
    if not kinds:
        return
    query = NewQuery(
        project_id=project.id,
        number=queries.next_number(session, project.id),
        strategy=STRATEGY,
        seed=0,
        version_id=None,
        pool_size=len(found),
        trigger=Trigger.HAND,
    )
    reviews = []
    for kind, of_kind in groupby(kinds, key=lambda pair: pair[0]):
        images = [image for _, image in of_kind]
        for rank, image in enumerate(images):
            one = about[image]
            kept = kind is ReviewKind.RANDOM
            probability = one.probability if kept and one.probability is not None else 1.0
            place = one.place if kept and one.place is not None else rank / len(images)
            token = secrets.token_urlsafe(24)
            blind = blind_always(kind) or bool(one.blind)
            reviews.append(NewReview(image, kind, blind, probability, place, token, None, reason=reason[:500]))
    if not queries.add_query(session, query, reviews, by.now, standing=True)[1]:
        raise Conflict("Another query was drawn at the same moment. Nothing was changed; say it again.")


def _kind_of(one: Held) -> ReviewKind:
    return one.kind if one.kind in _SAME_KIND else ReviewKind.RELABEL


def words_of(effect: Effect, *, done: bool) -> list[str]:
    """What it does, or did: a line for each thing that it touches."""
    heading = change_words(LabelChange(effect.operation, effect.was, effect.becomes))
    lines = [
        f"{heading}: version {effect.label_set} of the label set"
        + (" is in force." if done else ", if you put it in force. Nothing was changed.")
    ]
    counted = ", ".join(f"{one.images} of {one.label!r}" for one in effect.labels)
    if effect.follow:
        lines.append(f"Labels: {counted} are {effect.becomes[0]!r} from now on, and train at once.")
    if effect.excluded:
        lines.append(
            f'Labels: {counted} are "none of these" from now on, with the reason; no version learns from them.'
        )
    if effect.asked_again:
        lines.append(f"Labels: {counted} have none until people say which part it is; reviews ask them again.")
    if effect.none_labels:
        lines.append(
            f'{effect.none_labels} images are labelled "none of these" and may be of the new class: ask people again '
            "on the page of labels."
        )
    if effect.gold:
        what = "cannot be used until it is decided again" if effect.asked_again else "follows"
        lines.append(f"Gold: {effect.gold} of these labels; it {what}.")
    if effect.pre_selected:
        lines.append(f"Label Studio: the suggestions of {effect.pre_selected} open reviews are made anew.")
    if effect.versions:
        serving = f"; version {effect.champion} stays in use until a new one is promoted" if effect.champion else ""
        lines.append(
            f"Versions: what {effect.versions} of before predicted is read by the names of the classes{serving}."
        )
    if effect.certificates:
        names = ", ".join(map(str, effect.certificates))
        lines.append(f"Certificates: {names} ends, and its labels are taken back; the next is of the new label set.")
    lines.append(f"Engines: {', '.join(effect.engines)} is asked about the images again with the new classes.")
    return lines

"""Notifies people: writes messages about alarms and about the week, and delivers those that are due.

In: a project. Out: message rows, one an occasion and target whatever the clock does, and attempts to deliver them. An
attempt is noted before it is made, so a kill in between sends a message twice at most, with the same id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy.orm import Session

from db.repositories.projects import projects
from db.repositories.running import alarms, messages
from db.repositories.running.alarms import AlarmKind
from db.repositories.running.messages import Message, NewMessage
from db.repositories.versions import versions
from db.session import reading, transaction
from db.views import dashboard, project_history
from labeling.errors import Conflict, Denied, Invalid, Unavailable
from labeling.project import Project
from labeling.types import Actor, ProjectId
from service.engines.egress import check_target
from service.figures.accuracy import AccuracyByVersion
from service.figures.agreement import Agreement
from service.figures.estimates import Interval
from service.figures.figures import read
from service.figures.label_quality import LabelQuality
from service.figures.wrong_labels import ShareOfWrongLabels
from service.logs import get_logger
from service.notifications.sending import deliver
from service.notifications.summary import Measured, Person, Week, Words, alarm_words, weekly_words
from service.notifications.targets import Target, Wanted, load_messages, secret_for
from service.projects.pseudonyms import shown_name
from service.work.wiring import Parts

log = get_logger(__name__)
AUTHOR = "messages"
WEEK = timedelta(days=7)


def write_due(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Write a message for each open alarm and for the week that is over, to each target that wants it and has none."""
    targets = _allowed_targets(parts)
    if not targets:
        return {"written": 0}
    now = parts.now()
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        wanted = [*_of_alarms(session, parts, project, targets), *_of_week(session, parts, project, targets, now)]
    with transaction(parts.database) as session:
        return {"written": messages.add(session, project_id, wanted, now)}


def deliver_due(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Make the next attempt for each message that is due; one that failed for good raises an alarm."""
    targets = {target.id: target for target in _allowed_targets(parts)}
    with reading(parts.database) as session:
        found = messages.due(session, project_id, list(targets), parts.now())
    done = [_attempt(parts, project_id, targets[message.target], message) for message in found]
    return {"delivered": sum(done), "failed": len(done) - sum(done)}


def _allowed_targets(parts: Parts) -> list[Target]:
    """The targets that may get messages: all, or the local ones where this installation is local-only."""
    allowed = []
    try:
        targets = load_messages(parts.settings).values()
    except Invalid as error:  # nothing is sent until it is corrected; the job does not become a dead letter
        raise Unavailable(error.message) from error
    for target in targets:
        try:
            check_target(parts.settings, target.id, target.local)
            allowed.append(target)
        except Denied as error:
            log.debug("a target gets no messages", target=target.group, reason=error.message)
    return allowed


def _of_alarms(session: Session, parts: Parts, project: Project, targets: Sequence[Target]) -> Iterable[NewMessage]:
    wanting = [target for target in targets if target.wants_to_hear(Wanted.ALARMS, project.config.name)]
    for alarm in alarms.open_alarms(session, project.id) if wanting else []:
        facts = {"alarm": alarm.id, "about": alarm.subject, "kind": alarm.kind, "words": alarm.words}
        words = alarm_words(project.config.name, alarm.kind, alarm.words, _page(parts, project), facts)
        for target in wanting:
            yield _message(f"alarm:{alarm.id}", target, project, Wanted.ALARMS, words)


def _of_week(
    session: Session, parts: Parts, project: Project, targets: Sequence[Target], now: datetime
) -> list[NewMessage]:
    """The summary of the last whole week; a project that was made since has none."""
    start = _monday(now) - WEEK
    name = f"{start:%G-W%V}"
    occasion = f"weekly:{project.id}:{name}"
    keys = {
        _key(occasion, target): target for target in targets if target.wants_to_hear(Wanted.WEEKLY, project.config.name)
    }
    lacking = set(keys) - messages.known_keys(session, list(keys))
    if not lacking or project.created_at >= start + WEEK:
        return []
    words = weekly_words(_week(session, parts, project, name, start))
    return [_message(occasion, keys[key], project, Wanted.WEEKLY, words) for key in sorted(lacking)]


def _week(session: Session, parts: Parts, project: Project, name: str, start: datetime) -> Week:
    end = start + WEEK
    figures, tally = dashboard.figures(session, project.id), dashboard.tally(session, project.id)
    by_version, agreement = read(figures, AccuracyByVersion), read(figures, Agreement)
    quality, champion = read(figures, LabelQuality), by_version.champion if by_version else None
    wrong = read(figures, ShareOfWrongLabels)
    observed = agreement.people.all.observed if agreement else None
    people = project_history.worked(session, project.id, start, end)
    return Week(
        project=project.config.name,
        name=name,
        start=start.date(),
        labels=project_history.labels_by_source(session, project.id, start, end),
        labelled=int(tally.counts.get("labelled", 0)) if tally else 0,
        agreement=_measured(observed.value if observed else None, observed),
        accuracy=_measured(champion.accuracy if champion else None, champion),
        wrong_labels=wrong.words if wrong else "",
        verdict=quality.verdict if quality else "",
        people=[Person(shown_name(project, p.annotator_id, p.name), p.answers, p.seconds / 3600) for p in people],
        disputes=project_history.disputes(session, project.id),
        alarms=[f"{alarm.kind}: {alarm.words}" for alarm in alarms.open_alarms(session, project.id)],
        changes=_changes(session, project, start, end),
        address=_page(parts, project),
    )


def _changes(session: Session, project: Project, start: datetime, end: datetime) -> list[str]:
    """What was decided about the project in this time: its configuration, and versions that were promoted or not."""
    configured = [
        f"version {one.version} of the project file: {one.reason}"
        for one in projects.history(session, project.id)
        if start <= one.created_at < end
    ]
    numbers = {version.id: version.number for version in versions.everyone(session, project.id)}
    judged = [
        f"classifier {numbers[one.version_id]}: {one.verdict.value}"
        for one in versions.promotions(session, project.id)
        if start <= one.created_at < end and one.version_id in numbers
    ]
    return [*configured, *judged]


def _measured(value: float | None, kept: Interval | None) -> Measured:
    return Measured(value, kept.lower, kept.upper, kept.n) if kept else Measured(None, None, None, 0)


def _monday(now: datetime) -> datetime:
    day: date = now.astimezone(UTC).date()
    return datetime.combine(day - timedelta(days=day.weekday()), time(), UTC)


def _page(parts: Parts, project: Project) -> str:
    return f"{parts.settings.address}/projects/{project.id}"


def _message(occasion: str, target: Target, project: Project, kind: Wanted, words: Words) -> NewMessage:
    body = {"about": kind.value, "project": project.config.name, "text": words.text, "html": words.html}
    return NewMessage(_key(occasion, target), target.id, words.subject, {**body, "facts": dict(words.facts)})


def _key(occasion: str, target: Target) -> str:
    return f"{occasion}:{target.id}"


def _attempt(parts: Parts, project_id: ProjectId, target: Target, message: Message) -> bool:
    """One attempt; a target that fails does not stop the messages to the others."""
    with transaction(parts.database) as session:
        if not messages.begin(session, message, parts.now()):
            return False
    parts.failpoint("messages.before_send")
    secret = secret_for(parts.settings, target).get_secret_value()
    try:
        detail, delivered = deliver(target, secret, message.key, message.subject, message.body, parts.now()), True
    except (Unavailable, Conflict) as error:
        detail, delivered = error.message, False
    parts.failpoint("messages.before_note")
    with transaction(parts.database) as session:
        messages.finish(session, message, delivered, detail, parts.now())
        _follow_up(session, parts, project_id, target, message, "" if delivered else detail)
    log.info("message", target=target.group, delivered=delivered, attempt=message.attempts + 1, detail=detail)
    return delivered


def _follow_up(
    session: Session, parts: Parts, project_id: ProjectId, target: Target, message: Message, reason: str
) -> None:
    """An alarm once all attempts are spent; it ends with the next message that gets through (no `reason` why not)."""
    if not reason:
        for alarm in alarms.open_alarms(session, project_id):
            if alarm.kind == AlarmKind.DELIVERIES and alarm.subject == target.group:
                alarms.end(session, alarm.id, Actor(AUTHOR, "a message was delivered again", parts.now()))
    elif message.attempts >= len(messages.PAUSES):
        words = f"Messages to {target.group} are not taken: {reason}. `hardcase messages test` shows whether they are."
        evidence = {"attempts": message.attempts + 1}
        alarms.raise_alarm(session, project_id, AlarmKind.DELIVERIES, target.group, words, evidence, parts.now())

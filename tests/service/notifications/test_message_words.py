"""What a weekly summary says: figures with intervals, people under the names that the policy allows, no markup."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa

from db.repositories.labels import labels
from db.repositories.labels.labels import DISPUTED, NewLabel
from db.repositories.reviews.annotations import NewAnnotation, annotators, record
from db.session import reading, transaction
from db.tables import MessageRow
from db.views import figures, project_history
from labeling.estimates import Estimate
from labeling.project import Policy, Project, Team
from labeling.types import AnnotationAction, ImageId, LabelSource, ReviewKind
from service.figures.accuracy import AccuracyByVersion, OneVersion
from service.figures.estimates import estimate
from service.figures.figures import write
from service.figures.label_errors import SentBack
from service.figures.label_quality import Coverage, LabelQuality, RandomLabels, Suspects
from service.notifications.summary import Measured, Person, Week, weekly_words
from service.settings import keep_secret
from service.work.notifications import deliver_due, write_due
from tests.conftest import NOW
from tests.reviewing import ask, make_parts, rows_of

WEEK = Week(
    project="animals",
    name="2026-W47",
    start=date(2026, 11, 16),
    labels={"people": 41, "import": 1},
    labelled=120,
    agreement=Measured(0.91, 0.85, 0.95, 64),
    accuracy=Measured(None, None, None, 12),
    wrong_labels="not yet known; it needs 30 labels",
    verdict="not yet known",
    people=[Person("annotator 3F2A", 41, 1.25)],
    disputes=2,
    alarms=["drift of inputs: look"],
    changes=["version 2 of the project file: clearer"],
    address="http://here/projects/1",
)


def test_a_week_says_its_figures_with_their_intervals_and_what_is_not_known() -> None:
    words = weekly_words(WEEK)

    assert words.subject == "animals, week 2026-W47: 42 labels, 2 disputes open"
    for line in (
        "- 42 images labelled this week (41 by people, 1 by import); 120 labelled in all.",
        "- People agree: 91.0% (95 % interval 85.0% to 95.0%, 64 images).",
        "- Accuracy on the random stream: not yet known (12 images so far).",
        "- Labels that are wrong: not yet known; it needs 30 labels.",
        "- annotator 3F2A: 41 answers, 1.2 hours",
        "- drift of inputs: look",
        "- version 2 of the project file: clearer",
        "http://here/projects/1",
    ):
        assert line in words.text.splitlines()
    assert words.facts["accuracy"] == {"value": None, "lower": None, "upper": None, "n": 12}


def test_nothing_of_peoples_is_markup_or_a_second_line() -> None:
    hostile = "<img src=x onerror=alert(1)>\r\nBcc: eve@example.com\u202e"
    week = replace(WEEK, project=hostile, people=[Person(hostile, 1, 0)], alarms=[hostile], changes=[hostile])

    words = weekly_words(week)

    assert "<img" not in words.html
    assert "\n" not in words.subject and "\r" not in words.subject
    assert not [line for line in words.text.splitlines() if line.startswith("Bcc")]
    assert "\u202e" not in words.text + words.html + words.subject


def test_an_empty_week_says_so() -> None:
    nothing = Measured(None, None, None, 0)
    week = replace(WEEK, labels={}, people=[], alarms=[], changes=[], disputes=0, accuracy=nothing, verdict="")

    text = weekly_words(week).text

    assert "- Nobody answered." in text and "- None is open." in text and "- Nothing." in text
    assert "Can it be shipped" not in text


def test_the_week_is_counted_from_the_facts_of_that_week_on_both_databases(
    any_database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = make_project(any_database, policy=Policy(team=Team(pseudonyms=True)))
    parts = make_parts(any_database, tmp_path, cast(Any, None), now=lambda: NOW + timedelta(days=3))
    (tmp_path / "messages.yaml").write_text("webhooks: {chat: {url: 'http://127.0.0.1:9/x', local: true}}")
    keep_secret(parts.settings, "messages:chat", "secret")
    _a_week(any_database, project)

    first, second = write_due(parts, project.id), write_due(parts, project.id)
    tried, rests = deliver_due(parts, project.id), deliver_due(parts, project.id)

    (message,) = rows_of(any_database, MessageRow)
    facts = message.body["facts"]
    with reading(any_database) as session:
        worked = project_history.worked(session, project.id, NOW - timedelta(days=5), NOW + timedelta(days=1))
    assert (first, second) == ({"written": 1}, {"written": 0})
    assert (tried, rests) == ({"delivered": 0, "failed": 1}, {"delivered": 0, "failed": 0})
    assert (facts["labels"], facts["disputes"]) == ({"people": 1}, 1)
    assert facts["accuracy"] == {"value": 0.9, "lower": 0.8, "upper": 0.95, "n": 40}
    assert facts["verdict"] == "not yet"
    assert [(p["answers"], p["hours"]) for p in facts["people"]] == [(2, 0.17)]  # 2 s, and a tab left open for hours
    assert facts["people"][0]["name"].startswith("annotator ")
    assert "ann@example.com" not in str(message.body)
    assert [one.name for one in worked] == ["ann@example.com"]
    parts.jobs.close()


def _a_week(database: sa.Engine, project: Project) -> None:
    """Two answers of one person, one label, one dispute, a label of the week before, and two figures."""
    with transaction(database) as session:
        reviews = ask(session, project, 1, [ReviewKind.HARD] * 3)
        person = annotators(session, project.id, {1: "ann@example.com"})[1]
        answers = [
            NewAnnotation(
                review_id=review, annotator_id=person, ls_annotation_id=number, unique_id=f"a{number}",
                action=AnnotationAction.ANSWERED, answers=("cat",), result_hash="x", shown=None, accepted=None,
                lead_time_s=seconds, updated_at=NOW,
            )
            for number, (review, seconds) in enumerate(zip(reviews, (2.0, 20_000.0), strict=False))
        ]  # fmt: skip
        record(session, answers, NOW)
        given = [
            NewLabel(ImageId(1), "cat", LabelSource.PEOPLE, "annotators", "answered", reviews[0], {}),
            NewLabel(ImageId(2), None, LabelSource.PEOPLE, "annotators", DISPUTED, reviews[1], {}),
        ]
        labels.append(session, project.id, given, NOW)
        old = [NewLabel(ImageId(3), "dog", LabelSource.IMPORT, "ingest", "came with the image")]
        labels.append(session, project.id, old, NOW - timedelta(days=9))
        interval = estimate(Estimate(0.9, 0.8, 0.95, 40), "accuracy")
        champion = OneVersion(version=1, promoted=True, champion=True, **interval)
        judged = LabelQuality(
            verdict="not yet", words="", in_the_way=[], criteria=[], coverage=Coverage(3, 2), sources=[], classes=[],
            slices=[], random=RandomLabels(1, 0, 0, 0), suspects=Suspects(0, 0, SentBack(0, 0, 0)),
        )  # fmt: skip
        kept = [write(AccuracyByVersion([champion])), write(judged)]
        figures.keep(session, project.id, kept, "now", NOW)

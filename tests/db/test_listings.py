"""What the API lists and the board shows, on both databases: state of images, last answers, slices, counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from db.repositories.images import registrations
from db.repositories.people import audit, keys
from db.repositories.running import failures, heartbeats
from db.session import reading, transaction
from db.tables import (
    AnnotationRow,
    AnnotatorRow,
    AuditRow,
    GroupRow,
    ImageRow,
    LabelRow,
    PrelabelRow,
    PromotionRow,
    QueryRow,
    ReviewRow,
    SeenRow,
    VersionRow,
)
from db.views import dashboard, listings, rounds
from labeling.jobs import JobName, Role, Trigger
from labeling.project import Project
from labeling.types import Incoming, LabelSource, ReviewId, ReviewKind
from service.jobs.arguments import DecisionByHand, PromoteArguments
from service.jobs.jobs import Jobs

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def add_world(engine: sa.Engine, project: Project) -> None:
    """Four images: fetched, ready, asked (its answer taken back) and labelled; one version, one verdict."""
    of = {"project_id": project.id}
    with transaction(engine) as session:
        group = GroupRow(**of, founder_hash="f", side="pool", created_at=NOW)
        version = VersionRow(
            **of,
            number=1,
            path="p",
            card_hash="c",
            snapshot_hash="s",
            last_label_id=0,
            report={"accuracy": 0.5},
            trigger="answered",
            created_at=NOW,
        )
        session.add_all([group, version])
        session.flush()
        for i in range(4):
            session.add(
                ImageRow(
                    **of,
                    content_hash=f"{i}" * 64,
                    perceptual_hash="0" * 16,
                    format="png",
                    width=1,
                    height=1,
                    size_bytes=1,
                    text=None,
                    details={},
                    group_id=None if i == 0 else group.id,
                    bridge=False,
                    fetched_at=NOW,
                )
            )
        query = QueryRow(
            **of,
            number=1,
            strategy="margin",
            seed=0,
            version_id=version.id,
            pool_size=4,
            trigger="by hand",
            created_at=NOW,
        )
        annotator = AnnotatorRow(**of, ls_user_id=5, name="anna")
        session.add_all([query, annotator])
        session.flush()
        ids = list(session.scalars(sa.select(ImageRow.id).order_by(ImageRow.id)))
        for image_id in ids[1:]:
            said = {"probs": [1.0], "description": "", "duration_s": 0.0, "cost_micro": 0, "created_at": NOW}
            session.add(PrelabelRow(image_id=image_id, engine="e", revision="r", **said))
        for image_id in ids[2:]:
            chosen = {"kind": "hard", "blind": False, "probability": 1.0, "place": 0.0, "created_at": NOW}
            session.add(ReviewRow(**of, image_id=image_id, query_id=query.id, token=f"t{image_id}", **chosen))
        session.flush()
        asked, labelled = session.scalars(sa.select(ReviewRow.id).order_by(ReviewRow.id))
        for review_id, action, minutes in ((asked, "answered", 1), (asked, "withdrawn", 2), (labelled, "answered", 1)):
            session.add(
                AnnotationRow(
                    review_id=review_id,
                    annotator_id=annotator.id,
                    ls_annotation_id=review_id,
                    unique_id=f"u{review_id}",
                    action=action,
                    answers=["cat"],
                    result_hash=action,
                    shown=None,
                    accepted=None,
                    lead_time_s=None,
                    updated_at=NOW + timedelta(minutes=minutes),
                    recorded_at=NOW,
                )
            )
        why = {"evidence": {}, "author": "people", "reason": "", "created_at": NOW}
        for value in ("dog", "cat"):
            session.add(LabelRow(**of, image_id=ids[3], value=value, source="people", review_id=labelled, **why))
        session.add(
            PromotionRow(
                **of,
                version_id=version.id,
                verdict="promoted",
                reasons=["first"],
                report={},
                trigger="learned",
                author="gate",
                created_at=NOW,
            )
        )


def test_an_image_is_in_one_state_and_can_be_listed_by_it(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    add_world(any_database, project)

    with reading(any_database) as session:
        everything = listings.images(session, project.id, after=None, limit=10).items
        by_state = {
            state: [
                item.state for item in listings.images(session, project.id, after=None, limit=10, state=state).items
            ]
            for state in listings.IMAGE_STATES
        }

    assert [item.state for item in everything] == ["labelled", "asked", "ready", "fetched"]
    assert [item.label for item in everything] == ["cat", None, None, None]
    assert by_state == {state: [state] for state in listings.IMAGE_STATES}


def test_lists_show_what_happened_newest_first(any_database: sa.Engine, make_project: Callable[..., Project]) -> None:
    project, other = make_project(any_database), make_project(any_database, name="plants")
    add_world(any_database, project)
    all_of_it = {"after": None, "limit": 10}

    with reading(any_database) as session:
        labelled, asked = rounds.reviews(session, project.id, **all_of_it, kind=ReviewKind.HARD).items
        query = rounds.queries(session, project.id, **all_of_it).items[0]
        verdict = rounds.promotions(session, project.id, **all_of_it).items[0]
        labels = listings.labels(session, project.id, **all_of_it, source=LabelSource.PEOPLE).items
        version = rounds.versions(session, project.id, **all_of_it).items[0]
        nothing = rounds.reviews(session, project.id, **all_of_it, kind=ReviewKind.GOLD).items
        of_other = [rounds.reviews(session, other.id, **all_of_it), listings.labels(session, other.id, **all_of_it)]

    assert (labelled.action, labelled.answers, labelled.annotator) == ("answered", ["cat"], "anna")
    assert asked.action == "withdrawn"
    assert (query.version, query.asked) == (1, 2)
    assert (verdict.version, verdict.champion, verdict.reasons) == (1, None, ["first"])
    assert [label.value for label in labels] == ["cat", "dog"]
    assert version.report == {"accuracy": 0.5}
    assert nothing == [] and all(found.items == [] for found in of_other)


def test_a_slice_says_where_the_next_begins(any_database: sa.Engine, make_project: Callable[..., Project]) -> None:
    project = make_project(any_database)
    add_world(any_database, project)

    with reading(any_database) as session:
        first = listings.images(session, project.id, after=None, limit=3)
        second = listings.images(session, project.id, after=first.next_after, limit=3)

    assert [len(first.items), len(second.items)] == [3, 1]
    assert second.next_after is None


def test_a_quarantined_registration_is_listed_by_its_reference(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    with transaction(any_database) as session:
        registrations.register(session, project.id, [Incoming("a.png", "upload:x")], NOW)
        row_id = registrations.known(session, project.id, ["a.png"])["a.png"].id
        failures.record(session, project.id, "fetch", str(row_id), "cut short", True, NOW)
        failures.record(session, project.id, "prelabel", str(row_id), "odd", False, NOW)

    with reading(any_database) as session:
        found = listings.failures(session, project.id, after=None, limit=10).items
        of_fetch = listings.failures(session, project.id, after=None, limit=10, step="fetch").items
        counts = dashboard.failure_counts(session, project.id)

    assert {item.step: item.reference for item in found} == {"fetch": "a.png", "prelabel": None}
    assert [item.reference for item in of_fetch] == ["a.png"]
    assert counts == {"fetch": 1, "prelabel": 1}


def test_a_reviews_image_is_found_by_its_token_and_seen_once(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    add_world(any_database, project)

    with transaction(any_database) as session:
        found = dashboard.review_media(session, "t3")
        assert found is not None
        marked = [dashboard.mark_seen(session, {found[0]: NOW}) for _ in range(2)]
        missing = dashboard.review_media(session, "nothing")

    with reading(any_database) as session:
        assert session.scalars(sa.select(SeenRow.review_id)).all() == [found[0]]
    assert found == (ReviewId(1), "2" * 64)
    assert marked == [1, 0] and missing is None


def test_jobs_are_counted_by_name_and_state(any_database: sa.Engine, make_project: Callable[..., Project]) -> None:
    project = make_project(any_database)
    jobs = Jobs(any_database)
    with transaction(any_database) as session:
        decision = DecisionByHand("rollback", 0, "anna", "worse")
        jobs.ask(session, JobName.LEARN, project.id, Trigger.HAND)
        jobs.ask(session, JobName.PROMOTE, project.id, Trigger.HAND, PromoteArguments(decision))

    with reading(any_database) as session:
        counts = dashboard.job_counts(session)
    of_project, of_nobody = jobs.list(project_id=project.id), jobs.list(project_id=type(project.id)(project.id + 1))
    jobs.close()

    assert counts == {("learn", "ENQUEUED"): 1, ("promote", "ENQUEUED"): 1}
    assert {job.job for job in of_project} == {"learn", "promote"} and of_nobody == []


def test_a_worker_beats_and_its_newest_beat_counts(any_database: sa.Engine) -> None:
    for minute in range(2):
        with transaction(any_database) as session:
            heartbeats.beat(session, "worker-0", NOW, NOW + timedelta(minutes=minute), {"fetched": minute})

    with reading(any_database) as session:
        assert heartbeats.newest(session) == NOW + timedelta(minutes=1)
        assert [beat.counters for beat in heartbeats.everyone(session)] == [{"fetched": 1}]


def test_a_key_is_kept_found_and_revoked_once(any_database: sa.Engine) -> None:
    made = {"name": "k", "prefix": "abc", "salt": "s", "digest": "d", "role": Role.READ, "now": NOW}
    with transaction(any_database) as session:
        everywhere = keys.add(session, projects=None, **made)
        nowhere = keys.add(session, projects=[], **{**made, "prefix": "def"})
        keys.revoke(session, "abc", NOW)
        keys.revoke(session, "abc", NOW + timedelta(days=1))
        audit.record(session, "anna", "key.revoke", "abc", {}, NOW)

    with reading(any_database) as session:
        found = keys.by_prefix(session, "abc")
        assert found is not None and found.revoked_at == NOW and found.projects is None
        assert keys.by_id(session, nowhere.id) == nowhere and nowhere.projects == ()
        assert [key.id for key in keys.everyone(session)] == [everywhere.id, nowhere.id]
        assert session.scalars(sa.select(AuditRow.actor)).all() == ["anna"]

"""What the API lists and the board shows, on both databases: state of images, last answers, slices, counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa

from db.repositories.images import registrations
from db.repositories.people import audit, keys
from db.repositories.running import failures, heartbeats
from db.session import reading, transaction
from db.tables import (
    AuditRow,
    ViewRow,
)
from db.views import dashboard, listings, rounds
from labeling.jobs import JobName, Role, Trigger
from labeling.project import Project
from labeling.types import Incoming, LabelSource, ReviewId, ReviewKind
from service.jobs.arguments import DecisionByHand, PromoteArguments
from service.jobs.jobs import Jobs
from tests import factories
from tests.factories import NOW


def add_world(engine: sa.Engine, project: Project) -> None:
    """Four images: fetched, ready, asked (its answer taken back) and labelled; one version, one verdict."""
    with transaction(engine) as session:
        group = factories.group(session, project.id)
        version = factories.version(session, project.id, report={"accuracy": 0.5})
        ids = [factories.image(session, project.id, f"{i}" * 64, group_id=None if i == 0 else group) for i in range(4)]
        query = factories.query(session, project.id, 1, version_id=version, pool_size=4)
        anna = factories.annotator(session, project.id, "anna")
        for image in ids[1:]:
            factories.prelabel(session, image)
        asked, labelled = [
            factories.review(session, project.id, image, query_id=query, token=f"t{image}") for image in ids[2:]
        ]
        for review, action, minutes in ((asked, "answered", 1), (asked, "withdrawn", 2), (labelled, "answered", 1)):
            at = NOW + timedelta(minutes=minutes)
            factories.annotation(session, review, annotator_id=anna, action=action, at=at)
        for value in ("dog", "cat"):
            factories.label(session, project.id, ids[3], value, review_id=labelled, author="people")
        factories.promotion(session, project.id, version, reasons=["first"])


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


def test_a_reviews_image_is_found_by_its_token_and_noted_as_viewed_once(
    any_database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    project = make_project(any_database)
    add_world(any_database, project)

    with transaction(any_database) as session:
        found = dashboard.review_media(session, "t3")
        assert found is not None
        seen = {found[0]: NOW, ReviewId(999): NOW}  # one of them was deleted before this could be written
        marked = [dashboard.mark_viewed(session, seen) for _ in range(2)]
        missing = dashboard.review_media(session, "nothing")

    with reading(any_database) as session:
        assert session.scalars(sa.select(ViewRow.review_id)).all() == [found[0]]
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

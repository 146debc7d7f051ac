"""Registering, fetching and failing, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import func, select

from db.repositories.images import images, progress, registrations, sources
from db.repositories.images.images import NewImage
from db.repositories.images.registrations import Registered
from db.repositories.running import failures
from db.session import reading, transaction
from db.tables import FetchRow, ImageRow, RegistrationRow
from labeling.project import Project
from labeling.types import Incoming, RegistrationId
from tests.conftest import NOW

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def project(any_database: sa.Engine, make_project: Callable[..., Project]) -> Project:
    return make_project(any_database)


def item(name: str, **facts: object) -> Incoming:
    return replace(Incoming(name, f"/photos/{name}", fingerprint="1"), **facts)  # type: ignore[arg-type]


def register(engine: sa.Engine, project: Project, *items: Incoming) -> Registered:
    with transaction(engine) as session:
        return registrations.register(session, project.id, items, NOW)


def waiting(engine: sa.Engine, project: Project) -> list[images.Waiting]:
    with reading(engine) as session:
        return images.waiting(session, project.id, failed_before=LATER, now=LATER, limit=10)


def new_image(registration_id: RegistrationId, content_hash: str = "aa") -> NewImage:
    return NewImage(registration_id, content_hash, "PNG", 4, 3, 99, "a cat", {"folder": "cats"})


def test_everything_that_came_with_an_item_comes_back(any_database: sa.Engine, project: Project) -> None:
    given = item("a", text="ünï 'quoted'", details={"year": 2026, "x": None}, known_label="cat", gold=True)

    assert register(any_database, project, given) == Registered(1, 0, 0)

    (found,) = waiting(any_database, project)
    assert (found.reference, found.address, found.text) == ("a", "/photos/a", "ünï 'quoted'")
    assert (found.details, found.known_label, found.gold) == ({"year": 2026, "x": None}, "cat", True)
    with reading(any_database) as session:
        assert session.scalars(select(RegistrationRow.registered_at)).one() == NOW


def test_registering_twice_changes_nothing_and_a_changed_fingerprint_is_the_next_revision(
    any_database: sa.Engine, project: Project
) -> None:
    register(any_database, project, item("a"), item("b"))

    again = register(any_database, project, item("a"), item("b", fingerprint="2"), item("c"))
    and_again = register(any_database, project, item("a"), item("b", fingerprint="2"), item("c"))

    assert again == Registered(new=1, changed=1, same=1)
    assert and_again == Registered(new=0, changed=0, same=3)
    with reading(any_database) as session:
        rows = session.execute(select(RegistrationRow.reference, RegistrationRow.revision))
        assert sorted(map(tuple, rows)) == [("a", 0), ("b", 0), ("b", 1), ("c", 0)]


def test_one_reference_twice_in_a_batch_is_one_or_two_revisions(any_database: sa.Engine, project: Project) -> None:
    assert register(any_database, project, item("a"), item("a")) == Registered(1, 0, 1)
    assert register(any_database, project, item("b"), item("b", fingerprint="2")) == Registered(1, 1, 0)


def test_without_fingerprints_another_address_is_another_revision(any_database: sa.Engine, project: Project) -> None:
    plain = item("a", fingerprint=None)
    register(any_database, project, plain)

    assert register(any_database, project, plain) == Registered(0, 0, 1)
    assert register(any_database, project, replace(plain, address="/photos/b")) == Registered(0, 1, 0)


def test_what_is_gone_is_not_fetched_and_what_comes_back_is_a_revision(
    any_database: sa.Engine, project: Project
) -> None:
    with transaction(any_database) as session:
        source = sources.add(session, project.id, "/photos", NOW)
        registrations.register(session, project.id, [item("a")], NOW, source.id)

    with transaction(any_database) as session:
        (row_id,) = registrations.standing(session, source.id).values()
        assert [registrations.gone(session, [row_id], NOW) for _ in range(2)] == [1, 0]
        assert registrations.standing(session, source.id) == {}

    assert waiting(any_database, project) == []
    assert register(any_database, project, item("a")) == Registered(0, 1, 0)


def test_the_same_bytes_are_one_image_and_recording_twice_changes_nothing(
    any_database: sa.Engine, project: Project
) -> None:
    register(any_database, project, item("a"), item("b"), item("c"))
    a, b, c = (found.id for found in waiting(any_database, project))
    found = [new_image(a), new_image(b), new_image(c, "bb")]

    with transaction(any_database) as session:
        first = images.record(session, project.id, found, NOW)
    with transaction(any_database) as session:
        again = images.record(session, project.id, found, NOW)

    assert first[a] == first[b] != first[c]
    assert again == {}
    assert waiting(any_database, project) == []
    with reading(any_database) as session:
        assert session.scalar(select(func.count()).select_from(ImageRow)) == 2
        assert session.scalar(select(func.count()).select_from(FetchRow)) == 3
        assert images.content_hashes(session) == {"aa", "bb"}


def test_a_failure_rests_then_comes_back_and_after_three_is_dead_until_retried(
    any_database: sa.Engine, project: Project
) -> None:
    register(any_database, project, item("a"))
    (found,) = waiting(any_database, project)

    for count in (1, 2, 3):
        with transaction(any_database) as session:
            failures.record(session, project.id, images.FETCH, str(found.id), f"reason {count}", False, NOW)
            assert images.waiting(session, project.id, failed_before=NOW - timedelta(1), now=NOW, limit=9) == []
            dead = failures.is_dead(session, images.FETCH, str(found.id))
            assert dead is (count == 3)
            assert bool(images.waiting(session, project.id, failed_before=LATER, now=LATER, limit=9)) is not dead
    with transaction(any_database) as session:
        (listed,) = failures.listing(session, project.id)
        assert (listed.count, listed.dead, listed.reason) == (3, True, "reason 3")
        assert failures.retry(session, project.id, "prelabel") == 0
        assert failures.retry(session, project.id, None) == 1

    assert waiting(any_database, project) == [found]


def test_a_final_failure_is_dead_at_once_and_a_success_forgets(any_database: sa.Engine, project: Project) -> None:
    with transaction(any_database) as session:
        failures.record(session, project.id, "fetch", "1", "not\0 an image", True, NOW)
        assert failures.is_dead(session, "fetch", "1")
        assert failures.listing(session, project.id, "fetch")[0].reason == "not an image"

        failures.clear(session, "fetch", "1", "2")

        assert failures.listing(session, project.id) == []
        assert not failures.is_dead(session, "fetch", "1")


def test_uploads_wait_until_they_are_fetched(any_database: sa.Engine, project: Project) -> None:
    register(any_database, project, item("a", address="upload:aa"), item("b"))
    a, _ = waiting(any_database, project)

    with transaction(any_database) as session:
        before = registrations.waiting_uploads(session)
        images.record(session, project.id, [new_image(a.id)], NOW)
        after = registrations.waiting_uploads(session)

    assert (before, after) == ({"upload:aa"}, set())


def test_a_source_is_due_when_it_was_not_read_lately(any_database: sa.Engine, project: Project) -> None:
    with transaction(any_database) as session:
        source = sources.add(session, project.id, "/photos", NOW)
        assert sources.add(session, project.id, "/photos", LATER) == source
        assert sources.due(session, project.id, NOW, NOW) == [source]

        sources.note_read(session, source.id, LATER)

        assert sources.due(session, project.id, NOW, LATER) == []
        assert [s.id for s in sources.due(session, project.id, LATER, LATER)] == [source.id]


def test_a_place_is_waited_for_by_what_waits_and_not_by_what_failed(any_database: sa.Engine, project: Project) -> None:
    away, near = item("a", address="s3://far_away/a.png"), item("b", address="s3://near/b.png")
    register(any_database, project, away, near)
    first, second = [str(one.id) for one in waiting(any_database, project)]

    with transaction(any_database) as session:
        failures.record(session, project.id, "job:learn", "no number", "another step", False, NOW)
        failures.wait(session, project.id, images.FETCH, first, "away", NOW)
        failures.record(session, project.id, images.FETCH, second, "no image", False, NOW)
        places = "s3://far_away/", "s3://farXaway/", "s3://near/"
        found = [progress.is_waited_for(session, place) for place in places]

    assert found == [True, False, False]

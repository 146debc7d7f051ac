"""The figure `random_arm` and the planned comparisons at it, on a project with a stream of answers and two versions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.repositories.certificates import certificates
from db.repositories.queries import comparisons
from db.repositories.queries.comparisons import Comparison
from db.session import reading, transaction
from db.tables import QueryRow
from db.views import dashboard
from labeling.jobs import Trigger
from labeling.project import CertificateTerms, Policy, Project
from labeling.quality.random_arm import Payoff
from labeling.types import ReviewKind
from service.figures.figures import read
from service.figures.random_arm import RandomArm
from service.work.learn.learn import learn
from service.work.promote import judge
from service.work.promote.predict import predict
from service.work.quality.random_arm import refresh_random_arm
from service.work.select.query import choose_query
from tests.conftest import NOW
from tests.service.labelled_pool import Ground, make_ground

HARD, RANDOM = ReviewKind.HARD, ReviewKind.RANDOM


@pytest.fixture
def ground(database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Ground:
    project = make_project(database, policy=Policy(query_size=8, low_water=0))
    return make_ground(database, tmp_path, project, pool=60, reserved=60)


def _figure(ground: Ground) -> RandomArm | None:
    with reading(ground.parts.database) as session:
        return read(dashboard.figures(session, ground.project.id), RandomArm)


def _comparisons(ground: Ground) -> list[Comparison]:
    with reading(ground.parts.database) as session:
        return comparisons.everyone(session, ground.project.id)


def test_under_forty_answers_of_the_stream_nothing_is_said(ground: Ground) -> None:
    ground.label(ground.reserved[:39], RANDOM)

    assert refresh_random_arm(ground.parts, ground.project.id) == {}
    assert (_figure(ground), _comparisons(ground)) == (None, [])


def test_the_arm_stands_beside_the_versions_and_is_counted_once_while_nothing_changes(ground: Ground) -> None:
    ground.label(ground.pool[:12], HARD)
    learn(ground.parts, ground.project.id, Trigger.HAND)
    ground.label(ground.pool[12:30], HARD)
    learn(ground.parts, ground.project.id, Trigger.HAND)
    ground.label(ground.reserved[:44], RANDOM)

    first = refresh_random_arm(ground.parts, ground.project.id)
    again = refresh_random_arm(ground.parts, ground.project.id)

    figure = _figure(ground)
    assert (first, again) == ({"random_arm": 1}, {})
    assert figure is not None and figure.rests_on == 44
    assert [one.labels for one in figure.ours] == [12, 30]
    assert [one.labels for one in figure.arm] == [10, 20, 40]  # nine tenths of 11, 22 and 44
    assert figure.arm[-1].accuracy.known and figure.difference.n == 44
    assert [(one.size, one.images) for one in _comparisons(ground)] == [(40, 44)]


def test_a_new_version_stands_beside_the_arm_that_is_there_until_the_stream_has_grown_by_a_tenth(
    ground: Ground,
) -> None:
    ground.label(ground.pool[:12], HARD)
    learn(ground.parts, ground.project.id, Trigger.HAND)
    ground.label(ground.reserved[:44], RANDOM)
    refresh_random_arm(ground.parts, ground.project.id)
    before = _figure(ground)
    ground.label([*ground.reserved[44:46]], RANDOM)
    ground.label(ground.pool[12:30], HARD)
    learn(ground.parts, ground.project.id, Trigger.HAND)

    counted = refresh_random_arm(ground.parts, ground.project.id)

    after = _figure(ground)
    assert counted == {"random_arm": 1} and before is not None and after is not None
    assert [one.labels for one in after.ours] == [12, 30]
    assert (after.rests_on, after.arm) == (44, before.arm)


def test_a_look_comes_once_at_each_size_and_says_what_it_did(ground: Ground) -> None:
    ground.label(ground.reserved[:42], RANDOM)
    refresh_random_arm(ground.parts, ground.project.id)
    ground.label(ground.reserved[42:60], RANDOM)
    refresh_random_arm(ground.parts, ground.project.id)

    figure = _figure(ground)
    assert figure is not None and figure.rests_on == 60
    assert [(one.size, one.found) for one in _comparisons(ground)] == [(40, Payoff.UNKNOWN)]
    assert figure.acted.startswith("Compared on 42 answered images: margin is neither")


def test_nothing_is_compared_while_a_certificate_is_to_be_tried_and_the_arm_is_shown(ground: Ground) -> None:
    with transaction(ground.parts.database) as session:
        since = {"config_version": 1, "newest_review": 0, "cursor": 0.0, "now": NOW}
        certificates.add_terms(session, ground.project.id, CertificateTerms(precision=0.9), **since)
    ground.label(ground.reserved[:42], RANDOM)

    refresh_random_arm(ground.parts, ground.project.id)

    figure = _figure(ground)
    assert figure is not None and figure.rests_on == 42 and figure.acted == ""
    assert _comparisons(ground) == []


def test_where_choosing_does_not_pay_queries_ask_representative_images_and_say_so(ground: Ground) -> None:
    ground.label(ground.pool[:45], HARD)
    made = learn(ground.parts, ground.project.id, Trigger.HAND)
    judge.promote_by_hand(ground.parts, ground.project.id, made["version"], "lead", "to choose by")
    predict(ground.parts, ground.project.id)
    choose_query(ground.parts, ground.project.id, Trigger.HAND, force=True)
    with transaction(ground.parts.database) as session:
        comparisons.add(session, ground.project.id, Comparison(40, 40, "margin", Payoff.DOES_NOT, NOW), {})
        assert not comparisons.add(session, ground.project.id, Comparison(40, 41, "margin", Payoff.PAYS, NOW), {})

    choose_query(ground.parts, ground.project.id, Trigger.HAND, force=True)

    with reading(ground.parts.database) as session:
        before, after = session.scalars(sa.select(QueryRow.why).where(QueryRow.why != "").order_by(QueryRow.number))
    assert "worse than random" not in before and "by doubt" in before
    assert after.startswith("0 of ") and after.endswith("; a planned comparison found the strategy worse than random")

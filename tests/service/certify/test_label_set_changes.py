"""A certificate when the label set changes: it ends, its labels are taken back, and the next speaks of the new set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import sqlalchemy as sa

from db.session import transaction
from db.tables import CertificateTermsRow
from labeling.project import LabelOperation
from labeling.types import Actor
from service.jobs.jobs import Jobs
from service.labels.label_set import Effect, change_label_set
from service.projects.label_operations import read_change
from service.work.certify.attempt import attempt
from tests.service.certify.ground import Certifying


def _change(made: Certifying, operation: str, classes: Sequence[str], into: Sequence[str]) -> Effect:
    change = read_change(LabelOperation(operation), classes, into).to_operation()
    parts = made.ground.parts
    with transaction(parts.database) as session:
        by = Actor("lead", "one price", made.ground.clock())
        return change_label_set(session, Jobs(parts.database), made.ground.project.id, change, by)


def test_the_certificate_ends_at_once_and_nothing_is_delivered_or_tried_until_a_version_knows_the_classes(
    certified: Certifying,
) -> None:
    given = len(certified.labels())

    effect = _change(certified, "merge", ["cat", "dog"], ["pet"])
    counts = certified.certify()

    [ended] = certified.all()
    assert (effect.certificates, ended.ended) == ((ended.id,), "version 2 of the label set is in force")
    assert given and certified.labels() == {}
    assert (counts["taken_back"], counts["terms"], counts["tried"], counts["delivered"]) == (given, 1, 0, 0)
    assert not any(certified.certify().values())  # twice is once
    assert len(certified.ground.scalars(sa.select(CertificateTermsRow.id))) == 2


def test_an_attempt_that_runs_while_the_label_set_changes_accepts_nothing(certified: Certifying) -> None:
    certified.play(2)

    def at(name: str) -> None:
        if name == "certify.before_write":
            _change(certified, "rename", ["cat"], ["feline"])

    tried = attempt(replace(certified.ground.parts, failpoint=cast(Any, at)), certified.ground.project.id)

    assert tried == {"tried": 0, "accepted": 0}
    assert [one.stands for one in certified.all()] == [False]

"""A project with two versions that differ: the first in use, the second fitted on wrong labels too and refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from labeling.jobs import Trigger
from labeling.project import Policy, Project
from labeling.types import ReviewKind
from service.work.figures.refresh import refresh
from service.work.learn.learn import learn
from service.work.promote.judge import judge, promote_by_hand
from service.work.promote.predict import predict
from tests.service.labelled_pool import Ground, make_ground


def two_versions(
    database: sa.Engine,
    home: Path,
    make_project: Callable[..., Project],
    policy: Policy | None = None,
    *,
    reserved: int = 40,
    answered: int = 0,
) -> Ground:
    """`answered` groups of the random stream have an answer before anything is judged."""
    ground = make_ground(database, home, make_project(database, policy=policy or Policy()), reserved=reserved)
    ground.label(ground.pool[:40], ReviewKind.HARD)
    ground.label(ground.reserved[:answered], ReviewKind.RANDOM)
    learnt(ground)
    promote_by_hand(ground.parts, ground.project.id, 1, "ada", "the first")
    predict(ground.parts, ground.project.id)
    ground.label(ground.pool[40:60], ReviewKind.HARD, "bird")  # two in three of them are wrong
    learnt(ground)
    judge(ground.parts, ground.project.id, Trigger.LEARNED)
    refresh(ground.parts, ground.project.id)
    return ground


def learnt(ground: Ground) -> int:
    return learn(ground.parts, ground.project.id, Trigger.ANSWERED)["version"]

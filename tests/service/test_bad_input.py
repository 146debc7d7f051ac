"""Projects that go wrong from the start, each through every step: asked, answered, learnt, judged, predicted, counted.

No step may fail, no number be infinite, and every image ends with a label, a machine label or a reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from db.repositories.images import groups
from db.repositories.labels import labels
from db.repositories.projects import projects
from db.repositories.queries.examples import groups_of, now_of
from db.repositories.reviews.reviews import is_open
from db.session import reading, transaction
from db.tables import AnnotationRow, ReviewRow
from db.views import dashboard
from labeling.jobs import Trigger
from labeling.project import Gold, Policy, Project, Shares
from labeling.types import NONE_OF_THESE, UNSURE, Actor, ImageId, ReviewKind
from service.jobs.jobs import Jobs
from service.labels.machine_labels import machine_labels
from service.work.figures.refresh import refresh
from service.work.grouping.regrouping import regroup
from service.work.learn.learn import learn
from service.work.pool.random_stream import read_sample
from service.work.pool.training_set import read_snapshot
from service.work.prelabel.calibrate import calibrate
from service.work.promote.judge import judge
from service.work.promote.predict import predict
from service.work.select.query import choose_query
from service.work.workflows import QUICK, SLOW
from tests import factories
from tests.conftest import NOW
from tests.service.grouping.test_grouping_steps import stored
from tests.service.labelled_pool import Ground, add_images, make_ground
from tests.unit.ingest.test_twin_index import made_up, with_bits_turned

MakeProject = Callable[..., Project]
MANY = tuple(f"class {number}" for number in range(600))
POLICY = Policy(query_size=20, low_water=5, learn_after_labels=12)


@dataclass(frozen=True)
class Case:
    """A project that goes wrong: what it is made of, and what people `say` (None: nothing) of a review's image."""

    name: str
    say: Callable[[ReviewRow, str], str | None] = lambda review, truth: truth
    classes: tuple[str, ...] = ("cat", "dog", "bird")
    policy: Policy = POLICY
    pool: int = 60
    reserved: int = 20
    vector: Callable[[np.ndarray], np.ndarray] = lambda vector: vector
    champion: bool = True
    """Whether a version comes into use in the end."""


def _not_a_number(vector: np.ndarray) -> np.ndarray:
    return np.full_like(vector, np.nan)


CASES = [
    Case("one class is all that people say", lambda review, truth: "cat", champion=False),
    Case("600 classes", classes=MANY, pool=90, reserved=30, champion=False),
    Case("30 images", pool=22, reserved=8, champion=False),  # too few to judge a version by
    Case("all vectors are equal", vector=np.ones_like),
    Case("all images are nearly alike", vector=lambda vector: 1 + vector / 1_000),
    Case("no vector is a number", vector=_not_a_number, champion=False),
    Case("nobody answers random images", lambda review, truth: None if review.kind == ReviewKind.RANDOM else truth),
    Case("somebody is unsure about everything", lambda review, truth: UNSURE, champion=False),
    Case("one class never occurs", lambda review, truth: "cat" if truth == "bird" else truth),
    Case("everything is none of these", lambda review, truth: NONE_OF_THESE, champion=False),
    Case(
        "shares that sum to more than everything",
        policy=replace(
            POLICY, shares=Shares(random_first=0.99, random=0.99, blind=1.0, re_review=0.5), gold=Gold(rate=0.5)
        ),
    ),
]


def _ground(database: sa.Engine, home: Path, make_project: MakeProject, case: Case) -> Ground:
    project = make_project(database, classes=case.classes, policy=case.policy)
    empty = make_ground(database, home, project, pool=0, reserved=0)
    ground = replace(empty, parts=replace(empty.parts, jobs=Jobs(database)))
    add_images(ground, case.pool, False, vector=case.vector)
    add_images(ground, case.reserved, True, vector=case.vector)
    return ground


def _answer(ground: Ground, case: Case) -> None:
    with transaction(ground.parts.database) as session:
        answered = set(session.scalars(sa.select(AnnotationRow.review_id)))
        for review in session.scalars(sa.select(ReviewRow).where(is_open())).all():
            said = case.say(review, case.classes[ground.truth[review.image_id]])
            if said is None or (said == UNSURE and review.id in answered):
                continue
            factories.seen(session, review.id)
            ada = factories.annotator(session, ground.project.id, "ada")
            factories.annotation(session, review.id, said, annotator_id=ada)
            if said != UNSURE:
                factories.label(session, ground.project.id, review.image_id, said, review_id=review.id)


def _turn(ground: Ground) -> dict[str, int]:
    """The loop once, in the worker's order, without Label Studio."""
    parts, project = ground.parts, ground.project.id
    for step in (*QUICK, *SLOW):
        step(parts, project)
    counts = learn(parts, project, Trigger.ANSWERED)
    counts |= judge(parts, project, Trigger.LEARNED)
    counts |= predict(parts, project)
    calibrate(parts, project)
    refresh(parts, project)
    return counts


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_project_that_goes_wrong_goes_through_every_step(
    database: sa.Engine, tmp_path: Path, make_project: MakeProject, case: Case
) -> None:
    ground = _ground(database, tmp_path, make_project, case)
    parts, project = ground.parts, ground.project

    for _ in range(3):
        choose_query(parts, project.id, Trigger.HAND, force=True)
        _answer(ground, case)
        _turn(ground)
    while choose_query(parts, project.id, Trigger.HAND, force=True)["asked"]:
        _answer(ground, case)
    _turn(ground)

    with reading(database) as session:
        figures = dashboard.figures(session, project.id)
        found = machine_labels(
            session, project.id, after=None, limit=500, home=parts.settings.home, project=project, leads=True
        ).items
        held = labels.current(session, project.id)
        asked = set(session.scalars(sa.select(ReviewRow.image_id)))
    parts.jobs.close()
    json.dumps({name: figure.data for name, figure in figures.items()}, allow_nan=False)
    assert len(found) == len(ground.truth) and asked == set(ground.truth)
    assert [one for one in found if not (one.label or one.machine_label or one.why)] == []
    assert {one.image_id for one in held if one.value} == {one.image_id for one in found if one.label}
    assert any(one.machine_label for one in found) is case.champion


def test_regrouping_while_people_answer_loses_no_answer_and_nothing_both_teaches_and_measures(
    database: sa.Engine, tmp_path: Path, make_project: MakeProject
) -> None:
    case = Case("regrouped", policy=replace(POLICY, near_duplicates="off"))
    ground = _ground(database, tmp_path, make_project, case)
    parts, project = ground.parts, ground.project
    images, rng = sorted(ground.truth), np.random.default_rng(0)
    found = made_up(len(images) - 8, rng)
    twins = with_bits_turned(found[:8], 4, rng)  # the last of the reserve are twins of the first of the pool
    with transaction(database) as session:
        prints = dict(zip((f"{n:064x}" for n in range(len(images))), stored(found) + stored(twins), strict=True))
        groups.keep_fingerprints(session, prints)
    for twin, image in zip(ground.reserved[-8:], ground.pool, strict=False):
        ground.truth[twin] = ground.truth[image]

    choose_query(parts, project.id, Trigger.HAND, force=True)
    with transaction(database) as session:
        policy = replace(project.config.policy, near_duplicates=20)
        by = Actor("lena", "finer", NOW)
        projects.configure(session, project.id, replace(project.config, policy=policy), by)
    moved = regroup(parts, project.id)["moved"]
    _answer(ground, case)  # what was asked before
    while choose_query(parts, project.id, Trigger.HAND, force=True)["asked"]:
        _answer(ground, case)
        _turn(ground)

    with reading(database) as session:
        sample, now = read_sample(session, project), now_of(session, project.id)
        taught = {one.group_id for one in read_snapshot(session, project, now).train}
        answered = set(session.scalars(sa.select(ReviewRow.image_id).join(AnnotationRow)))
        held = {one.image_id for one in labels.current(session, project.id) if one.value}
        of_image = groups_of(session, [ImageId(image) for image in images])
    parts.jobs.close()
    assert moved == 8
    assert answered <= held
    assert {of_image[ImageId(image)] for image in held} == set(of_image.values())  # no group is forgotten
    measured = {one.group_id for cohort in sample.cohorts for one in cohort.examples}
    assert measured and taught and not measured & taught

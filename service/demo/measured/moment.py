"""What hardcase says of a project at one moment, and the rows that the truth beside it is made of.

In: a project that a worker is at work on. Out: its figures as the worker counts them, its images as arrays, and what
was asked, labelled and predicted when they were counted: all read in one transaction. It only reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy.orm import Session

from db.repositories.queries import stream
from db.repositories.versions import versions
from db.repositories.versions.versions import Version
from db.session import reading
from db.views import figures, project_history
from db.views.project_history import Named
from db.views.project_stats import labelled_images
from labeling.errors import Conflict, Unavailable
from labeling.project import Project
from labeling.types import Example
from service.demo.annotators import SimulatedAnswers
from service.demo.measured.random_arm import RandomArm
from service.demo.summary import Measured
from service.figures.estimates import Known
from service.figures.figures import stored
from service.figures.machine_labels import MachineLabels
from service.figures.random_arm import RandomArm as RandomArmFigure
from service.figures.random_stream import RandomStream
from service.labels.machine_labels import ChampionLabels, champion_labels
from service.work.figures.machine_labels import read_machine_labels
from service.work.figures.random_stream import read_random_stream
from service.work.pool.pool import Pool, load_pool
from service.work.pool.random_stream import Sample, read_sample
from service.work.pool.training_set import rebuild_snapshot
from service.work.wiring import Parts

__all__ = ["Moment", "as_labelled", "as_shown", "random_arm", "read_moment", "ready"]


@dataclass(frozen=True, slots=True)
class Moment:
    """A project at one moment: its figures, and what their truth is made of.

    `labelled` images have a label by people. `predicted` is what the champion says, None while it has said nothing;
    `taught` is what it has learnt from. `left` are the groups that nobody was asked about; `apart` the images of which
    machine labels do not speak: people labelled them, or a query would have. `arm` is as the worker counted it last.
    """

    project: Project
    pool: Pool
    named: Mapping[int, Named]
    labelled: int
    sample: Sequence[Example]
    reserved: frozenset[int]
    champion: Version | None
    predicted: ChampionLabels | None
    taught: Sequence[Example]
    left: frozenset[int]
    apart: frozenset[int]
    stream: RandomStream
    machine: MachineLabels
    arm: RandomArmFigure | None


def read_moment(parts: Parts, project: Project) -> Moment:
    """Read what hardcase says now; of the sample and of what was learnt from, images that are ready."""
    of, pool = project.id, load_pool(parts, project)  # first: an image that is ready later is in nothing that is read
    with reading(parts.database) as session:
        sample, champion = read_sample(session, project), versions.champion(session, of)
        shadows = stream.images_of(session, of, stream.shadow_picks(session, of))
        return Moment(
            project=project,
            pool=pool,
            named=project_history.first_named(session, of),
            labelled=project_history.how_labelled(session, of).people,
            sample=ready(pool, sample.examples),
            reserved=frozenset(sample.order.ids.tolist()),
            champion=champion,
            predicted=_predicted(parts, session, project),
            taught=ready(pool, rebuild_snapshot(session, project, champion).train) if champion else (),
            left=frozenset(stream.groups_left(session, of)),
            apart=frozenset([*labelled_images(session, of, certified=False), *shadows]),
            stream=read_random_stream(session, project, sample, _said_of(session, sample, champion)),
            machine=read_machine_labels(parts, session, project, sample),
            arm=stored(session, of, RandomArmFigure),
        )


def _predicted(parts: Parts, session: Session, project: Project) -> ChampionLabels | None:
    """None while there is nothing, or while the worker replaces the file."""
    try:
        return champion_labels(session, parts.settings.home, project.id)
    except (Conflict, Unavailable):
        return None


def _said_of(session: Session, sample: Sample, champion: Version | None) -> Mapping[int, list[float]]:
    if champion is None:
        return {}
    images = [one.image_id for cohort in sample.cohorts for one in cohort.examples]
    return figures.evidence(session, images).get(champion.id, {})


def ready(pool: Pool, examples: Sequence[Example]) -> list[Example]:
    """Those of which the pool has the image."""
    rows = pool.rows_of(np.array([example.image_id for example in examples], np.int64))
    return [example for example, row in zip(examples, rows, strict=True) if row >= 0]


def as_labelled(moment: Moment, people: SimulatedAnswers) -> SimulatedAnswers:
    """Answers that are wrong as often as the labels of the random stream are by then.

    Second answers, re-reviews and paused annotators leave fewer wrong labels than one answer has.
    """
    wrong = [one.label != people.true(moment.named[one.image_id].reference) for one in moment.sample]
    return replace(people, error_rate=sum(wrong) / len(wrong)) if wrong else people


def as_shown(found: Known, truth: float | None) -> Measured:
    """A share as it is shown, with the truth beside it."""
    return Measured(found.value, found.lower, found.upper, found.n, truth)


def random_arm(moment: Moment, people: SimulatedAnswers) -> RandomArm:
    """Random labels come from one image of each group that is not reserved, as chosen ones do."""
    pool, classes = moment.pool, moment.project.config.classes
    answers = [classes.index(people.to(moment.named[int(image_id)].reference)) for image_id in pool.image_ids]
    free = np.flatnonzero(~np.isin(pool.group_ids, list(moment.reserved)))
    _, first = np.unique(pool.group_ids[free], return_index=True)
    return RandomArm(pool.inputs, free[first], np.array(answers, np.int64), len(classes))

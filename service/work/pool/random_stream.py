"""The random stream of a project as the worker uses it: its order, and the sample that a figure rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy.orm import Session

from db.repositories.queries import stream
from db.repositories.queries.stream import Stream
from db.views.disputes import left_to_lead
from db.views.undecided import UndecidedState, undecided
from labeling.project import Project
from labeling.select.query.stream import Order, cohorts
from labeling.types import UNSURE, Example, ImageId, ReviewKind

__all__ = ["Cohort", "Sample", "order_of", "read_sample"]


@dataclass(frozen=True, slots=True)
class Cohort:
    """The groups after one group, up to another: how many they are, and the uniform sample of them."""

    examples: tuple[Example, ...]
    groups: int
    after: int
    until: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A uniform sample of the groups that the project had at `as_of`: one labelled image each, in the stream's order.

    `arrivals` are the groups that came later, each cohort with a sample of its own, which may be empty. An image that
    waits for a lead, because nobody could tell or people disagree, is labelled "unsure", which is an error of every
    classifier. `order` and `share` are those
    of the whole stream. `disputed`: the groups of which people disagree about the image, and only a lead can decide.
    """

    collection: Cohort
    arrivals: tuple[Cohort, ...]
    as_of: datetime | None
    order: Order
    share: float
    disputed: frozenset[int] = frozenset()

    @property
    def examples(self) -> tuple[Example, ...]:
        """What figures, verdicts and temperatures of the collection rest on."""
        return self.collection.examples

    @property
    def groups(self) -> int:
        """The size of the collection."""
        return self.collection.groups

    @property
    def newcomers(self) -> int:
        """Groups that arrived after the collection."""
        return sum(cohort.groups for cohort in self.arrivals)

    @property
    def cohorts(self) -> tuple[Cohort, ...]:
        """The whole project: the collection, and what came later."""
        return (self.collection, *self.arrivals)

    @property
    def undecided(self) -> int:
        """Images of the sample about which nobody could tell."""
        return sum(example.label == UNSURE for example in self.examples)

    @property
    def waiting(self) -> int:
        """Groups that people are asked about and have not decided."""
        return int((self.order.drawn & ~self.order.decided).sum())

    @property
    def left(self) -> int:
        """Reserved groups that can still be drawn."""
        return int((~self.order.drawn & (self.order.positions < self.share)).sum())


def order_of(found: Stream, examples: Mapping[int, Example] | None = None) -> Order:
    """The groups of the stream as arrays; `examples`: those that are decided, where they are more than the labelled."""
    ids = np.array(list(found.positions), np.int64)
    return Order(
        ids,
        np.array(list(found.positions.values()), np.float64),
        np.isin(ids, list(found.asked)),
        np.isin(ids, list(found.examples if examples is None else examples)),
        np.isin(ids, list(found.moved)),
    )


def read_sample(session: Session, project: Project) -> Sample:
    """What every figure, verdict and temperature rests on: the longest decided prefix of the stream."""
    found = stream.read_stream(session, project.id)
    waiting = stream.asked_images(session, project.id, found.examples.keys())
    disputed = _without_label(session, left_to_lead(session, waiting))
    examples = {**disputed, **_without_label(session, _given_up(session, project, waiting)), **found.examples}
    order, newest = order_of(found, examples), stream.newest_group(session, project.id)
    parts = cohorts(order, found.share, stream.collections(session, project.id), newest)
    begins = [0, *(part.until for part in parts)]
    collection, *arrivals = (
        Cohort(
            tuple(examples[int(group)] for group in part.groups),
            stream.count_groups(session, project.id, part.until, after=begin),
            begin,
            part.until,
        )
        for begin, part in zip(begins, parts, strict=False)
    )
    as_of = stream.founded_at(session, collection.until)
    return Sample(collection, tuple(arrivals), as_of, order, found.share, frozenset(disputed))


def _given_up(session: Session, project: Project, waiting: Sequence[ImageId]) -> list[ImageId]:
    """Of the images of the stream that wait, those that all who were asked could not tell: they wait for a lead."""
    return [
        one.image_id
        for one in (undecided(session, project, waiting) if waiting else ())
        if one.state is UndecidedState.LEAD and one.kind is ReviewKind.RANDOM
    ]


def _without_label(session: Session, images: Sequence[ImageId]) -> dict[int, Example]:
    """These images as "unsure", by group."""
    return {example.group_id: example for example in stream.without_label(session, images, UNSURE)}

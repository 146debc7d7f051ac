"""The random stream of a project as the worker uses it: its order, and the sample that a figure rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy.orm import Session

from db.repositories.queries import stream
from db.repositories.queries.stream import Stream
from db.views.undecided import UndecidedState, undecided
from labeling.project import Project
from labeling.select.query.stream import Order, prefix
from labeling.types import UNSURE, Example, ReviewKind

__all__ = ["Sample", "order_of", "read_sample"]


@dataclass(frozen=True, slots=True)
class Sample:
    """A uniform sample of the groups that the project had at `as_of`: one labelled image each, in the stream's order.

    `groups` is the size of that collection; `newcomers` arrived later and are not represented yet. An image about which
    nobody could tell is labelled "unsure", which is an error of every classifier. `order` and `share` are those of the
    whole stream.
    """

    examples: tuple[Example, ...]
    groups: int
    as_of: datetime | None
    newcomers: int
    order: Order
    share: float

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
    )


def read_sample(session: Session, project: Project) -> Sample:
    """What every figure, verdict and temperature rests on: the longest decided prefix of the stream."""
    found = stream.read_stream(session, project.id)
    examples = {**_given_up(session, project, found), **found.examples}
    order, newest = order_of(found, examples), stream.newest_group(session, project.id)
    sample = prefix(order, found.share, stream.collections(session, project.id), newest)
    groups = stream.count_groups(session, project.id, sample.until)
    return Sample(
        tuple(examples[int(group)] for group in sample.groups),
        groups,
        stream.founded_at(session, sample.until),
        stream.count_groups(session, project.id) - groups,
        order,
        found.share,
    )


def _given_up(session: Session, project: Project, found: Stream) -> dict[int, Example]:
    """The images of the stream that all who were asked could not tell, and that wait for a lead, by group."""
    waiting = stream.asked_images(session, project.id, found.examples.keys())
    images = [
        one.image_id
        for one in (undecided(session, project, waiting) if waiting else ())
        if one.state is UndecidedState.LEAD and one.kind is ReviewKind.RANDOM
    ]
    return {example.group_id: example for example in stream.without_label(session, images, UNSURE)}

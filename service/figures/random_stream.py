"""The figure of the random stream: what it rests on, what it costs, and the two accuracies that it gives."""

from __future__ import annotations

import msgspec

from service.figures.estimates import Known

__all__ = ["RandomStream"]


class RandomStream(msgspec.Struct):
    """What measures a project, and how often the champion is right by it.

    [random-stream.md](random-stream.md) says how it is drawn.
    """

    share: float
    """The share of the groups that is reserved."""
    reserved: int
    """Groups that are reserved, drawn or not."""
    answered: int
    """Groups of the stream whose answer stands."""
    waiting: int
    """Groups that people are asked about and have not decided."""
    left: int
    """Reserved groups that can still be drawn."""
    rests_on: int
    """How many answered groups a figure rests on now: the prefix of the order in which all are decided."""
    undecided: int
    """How many of these wait for a lead, or nobody can tell: each counts as an error."""
    groups: int
    """The size of the collection that figures speak of, in groups."""
    as_of: str | None
    """When the newest group of that collection came; null while there is none."""
    newcomers: int
    """Groups that came later, of which the figures of the collection do not speak."""
    shadow_picks: int
    """Reserved groups that a query would have asked about, had they not been reserved."""
    answers: int
    """Answers of people that went into measuring."""
    answers_in_all: int
    """Answers of people to anything."""
    on_collection: Known
    """How often the champion is right on an image that it has not learnt from, over every group of the collection."""
    on_newcomers: Known
    """The same over the groups that came later, from their own sample: those of them that were drawn so far."""
    on_everything: Known
    """The same over both, each weighed by its number of groups, however many of it were drawn."""
    left_over: int
    """Groups that nobody was asked about and that have no label: what is left."""
    on_what_is_left: Known
    """How often the champion is right on what is left, which is easier than the whole."""

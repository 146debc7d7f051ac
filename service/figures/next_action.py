"""The figure of the next best action: what could be done, for what price, and what a model expects of it."""

from __future__ import annotations

import msgspec

__all__ = ["NextAction", "NextImage", "OneAction"]


class OneAction(msgspec.Struct):
    """One kind of action; all that it is expected to do comes from predicted probabilities, and is not measured."""

    action: str
    """Engine, person, second answer, re-review, adjudicate or accept."""
    engine: str
    """Which engine; empty for people."""
    images: int
    """For how many images it is the best of what could be done."""
    seconds: float | None
    """Of people, for one of the best 100, on average; null where there is none."""
    money: float | None
    """For one of them, people at the wage and engines together; null without a wage, or where there is none."""
    best: int
    """How many of the best there are of it, at most 100."""
    corrects: float | None
    """Wrong labels that these are expected to correct by themselves."""
    teaches: float | None
    """Wrong labels of other images that are expected to be corrected because a classifier learns from them."""
    per_hour: float | None
    """Both together, for an hour of people's work; null where it takes none."""
    per_money: float | None
    """Both together, for one unit of money; null where nothing is paid or no wage is known."""
    note: str
    """Why nothing is known of it; empty where something is."""


class NextImage(msgspec.Struct):
    """One image and the best that could be done about it."""

    image_id: int
    content_hash: str
    action: str
    engine: str
    wrong_now: float
    """How likely its label is wrong now: people's, or what is predicted of it."""
    wrong_after: float
    """The same after the action, on average."""
    corrects: float
    """Wrong labels that it is expected to correct, those of its near-duplicates and what it teaches among them."""
    seconds: float
    money: float | None
    reason: str
    ls_task_id: int | None
    """Null: the image stands in no task."""


class NextAction(msgspec.Struct):
    """What to do next: one ranking of all actions over all images, by the wrong labels corrected for the price.

    Expected by a model, not measured: [next-action.md](../how-to/next-action.md) says how.
    """

    pool: int
    """How many images are ready."""
    expected_wrong: float
    """How many of their labels are expected to be wrong now, those that only the machine gives among them."""
    accept: int
    """How many of them are best left as they are: nothing that could be done is expected to correct anything. What is
    reserved for the random stream is not among them."""
    actions: list[OneAction]
    first: list[NextImage]
    """The first 100 of the ranking."""
    wage: float
    """Of an hour; 0: the ranking is by seconds, and money is not counted."""
    currency: str
    seconds: float
    """How long an answer takes: the median of those that were timed."""
    timed: int
    """How many answers were timed; under 30 the seconds are assumed."""
    used_error: float
    """How often people are held to err: from images that two of them answered, and from one error in ten beforehand."""
    pairs: int
    """How many images that is from."""
    label_teaches: float
    """Wrong labels of other images that one more label is expected to correct, because a classifier learns from it."""
    new_answer: float
    """Wrong labels that the answer about a new image is expected to correct, its near-duplicates left out: the median
    of those that stand next."""
    worth_asking_twice: int
    """For how many images a second answer is expected to correct more for each answer than that."""

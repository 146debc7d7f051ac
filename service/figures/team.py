"""The figure of the Team page: how each annotator does."""

from __future__ import annotations

import msgspec

from service.figures.estimates import Known

__all__ = ["Difference", "Found", "OneClass", "Person", "Sessions", "Team", "Times"]


class Times(msgspec.Struct):
    """Seconds an answer; null while not yet known."""

    known: bool
    n: int
    """The number of answers that were timed."""
    median_s: float | None
    lower_s: float | None
    """A quarter of the answers took less."""
    upper_s: float | None
    """A quarter took more."""


class Sessions(msgspec.Struct):
    """The first third of each session, of at least nine answers, against the last; a pause of 30 minutes ends one."""

    early: Known
    """How often they were right in the first third."""
    late: Known
    """How often in the last."""
    change: Known
    """Late minus early."""
    early_s: float | None
    """Median seconds an answer in the first third."""
    late_s: float | None
    """The same in the last."""


class OneClass(msgspec.Struct):
    """Images of one class."""

    label: str
    """The class that is true."""
    right: Known
    """How often they were right."""


class Found(msgspec.Struct):
    """What the rule that pauses finds about somebody now."""

    harm: str
    """What is wrong."""
    count: int
    """The number of answers that are so."""
    n: int
    """The number of answers that could be."""
    tolerated: float
    """The share that is tolerated."""
    evidence: float
    """How many times likelier the answers are if it is so than if it is not."""
    needed: float
    """How many times likelier they must be for a pause."""
    partner: int | None
    """The annotator with whom they answer alike, where that is the harm."""


class Difference(msgspec.Struct):
    """One image on which they say otherwise than gold, a lead or most of the others."""

    image_id: int
    content_hash: str
    ls_task_id: int | None
    said: str
    """What they say."""
    true: str
    """What is held true."""
    gold: bool
    """Whether by gold."""


class Person(msgspec.Struct):
    """One annotator."""

    annotator: int
    """Their number."""
    answers: int
    """How many of their answers give a label."""
    cannot_tell: Known
    """The share of images of which they could not tell what they are ("unsure", skips)."""
    gold: Known
    """The share of gold images on which they were right. Gold that was made from their own answer is left out."""
    agreement: Known
    """The share of images on which they say what most of the others say; a tie among the others is left out."""
    kappa: float | None
    """The same beyond chance."""
    accepted_wrong: Known
    """The share of wrong pre-labels that they kept. Wrong is what gold, else a lead, else most of the others say
    otherwise."""
    blind_error: Known
    """The share of wrong answers where none was shown."""
    anchoring: Known
    """How far they go along with it: the less is known of them, the nearer it is to the team's. `n` is the fewer of
    the team's blind answers and all of theirs that were used."""
    times: Times
    per_hour: float | None
    """Answers for each hour of their sessions."""
    per_day: float | None
    """Answers a day with any."""
    drift: Sessions
    quick_copies: Known
    """The share of pre-labels that they kept in less than a quarter of the others' median time."""
    commonest: str
    """The answer that they give most often."""
    commonest_share: Known
    """How often they gave it: counted, so it has no bounds."""
    usual: Known
    """How often the others gave it: counted."""
    classes: list[OneClass]
    findings: list[Found]
    differences: list[Difference]
    """Up to 12, the newest first. Images about which somebody is still asked are left out, and gold unless the policy
    has `feedback`."""


class Team(msgspec.Struct):
    """How each annotator does, over the newest 20,000 answers that count.

    Who is paused is no figure: it is a fact that the page reads itself.
    """

    answers: int
    gold_images: int
    """How many there are."""
    gold_answers: int
    """Answers to them."""
    anchoring: Known
    """How far the team goes along with a pre-label because it is shown: of the answers that would contradict it if
    it were hidden, this share agrees with it. Of the newest 3,000 hard images, by the first answer of each; chance
    decided which were blind, `n` of them."""
    annotators: list[Person]

    def of(self, annotator: int) -> Person | None:
        """What is known of one annotator."""
        return next((one for one in self.annotators if one.annotator == annotator), None)

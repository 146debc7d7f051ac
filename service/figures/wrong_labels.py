"""The figure about the share of labels that are wrong."""

from __future__ import annotations

from datetime import datetime

import msgspec

from service.figures.estimates import Known

__all__ = ["ShareOfWrongLabels"]


class ShareOfWrongLabels(msgspec.Struct):
    """The share of labels that are wrong, from blind re-reviews; never from what a classifier contradicts."""

    share: Known
    """Of the labels as they are now, without what re-reviews have corrected. `n` labels were re-reviewed."""
    given: Known
    """Of the same labels as they were when they were chosen for it."""
    wrong: int
    """How many of the re-reviewed labels were found wrong."""
    corrected: int
    """How many of those have another label now, or none."""
    open: int
    """How many wait for a third answer or a lead. They count half; the lower bound counts none, the upper all."""
    labels: int
    """The number of labels that the share speaks of."""
    as_of: str | None
    """When these labels stood so; null while the share is not yet known."""
    at_least: float | None
    """At least this share of answers is wrong, by images of the random stream that two people answered blind; null
    while there are fewer than 30. No estimate: where people agree on the same wrong class nothing differs."""
    doubled: int
    """The number of those images."""
    asked: int
    """How many labels are re-reviewed, or were."""
    waiting: int
    """Of these, how many nobody but who gave the label has answered yet."""
    wanted: int
    """How many leads have asked for in all; above `asked` the worker still has to choose some."""
    would_tell: int | None
    """About so many re-reviews in all give an interval of 10 points at most; null: under 30 labels nothing is shown."""
    more: int
    """So many more are offered at a time; 0: none is left."""
    width_now: float | None
    """The width of the interval."""
    width_then: float | None
    """About its width after so many more."""

    @property
    def words(self) -> str:
        """What is known, in a sentence without its end."""
        share = self.share
        if share.value is not None and share.lower is not None and share.upper is not None and self.as_of is not None:
            day = f"{datetime.fromisoformat(self.as_of):%d %B %Y}"
            found = f"{share.value:.1%} (95 % interval {share.lower:.1%} to {share.upper:.1%})"
            mended = f", {self.corrected} were found wrong and corrected" if self.corrected else ""
            half = f", {self.open} of them open and counted half" if self.open else ""
            return f"{found} of the {self.labels} labels of {day}, by {share.n} blind re-reviews{half}{mended}"
        least = f"; at least {self.at_least:.1%}, by {self.doubled} double answers" if self.at_least else ""
        return f"not yet known{least}; {self._lacking}"

    @property
    def offer(self) -> str:
        """What more re-reviews would tell; empty where none is left."""
        if not self.more or self.width_then is None:
            return ""
        now = f", now {self.width_now:.1%}" if self.width_now is not None else ""
        return f"{self.more} more blind re-reviews give an interval about {self.width_then:.1%} wide{now}"

    @property
    def _lacking(self) -> str:
        if self.would_tell is None:
            return "it needs 30 labels"
        answered = self.asked - self.waiting
        return f"{answered} labels are re-reviewed, 30 give a first interval, about {self.would_tell} one of 10 points"

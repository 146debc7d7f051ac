"""The terms of a certificate as the project file writes them: one promise, its confidence, and when it is tried.

In: the values below `certificate:`. Out: the same, checked. A target that no planned number of answers can show is
refused at once, with what could be reached.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from service.written_files import Strict

__all__ = ["CertificateIn", "least_wrong"]

SMALL_SETS = 2.0
"""A finished data set of few images may promise about twice as much, for errors that were mended count as right."""


class CertificateIn(Strict):
    """`labeling.project.CertificateTerms` says what each value means."""

    precision: Annotated[float | None, Field(gt=0, le=1)] = None
    finished: Annotated[float | None, Field(ge=0, lt=1)] = None
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.9
    first_size: Annotated[int, Field(ge=1, le=100_000)] = 100
    sizes: Annotated[int, Field(ge=1, le=8)] = 4
    frame: Annotated[float, Field(ge=0, lt=1)] = 0.0
    audit: Annotated[int, Field(ge=0, le=1_000)] = 5
    outliers: Annotated[float, Field(ge=0, le=0.5)] = 0.01
    conflicts: Annotated[float, Field(ge=0, lt=1)] = 0.9
    pictures: bool = True
    people: Annotated[int, Field(ge=1, le=2)] = 1
    gold: Annotated[float, Field(ge=0, le=0.5)] = 0.0

    @model_validator(mode="after")
    def _one_promise(self) -> CertificateIn:
        if (self.precision is None) == (self.finished is None):
            raise ValueError(
                "name one promise: `precision: 0.95` (of the labels that the machine delivers so many are right), or "
                "`finished: 0.05` (of all labels at most so many are wrong once people label the rest)"
            )
        return self

    @model_validator(mode="after")
    def _gold_for_precision(self) -> CertificateIn:
        if self.gold and self.precision is None:
            raise ValueError(
                "`gold` bounds what people agree on wrongly among the labels that the machine delivers: it goes with "
                "`precision`, for a finished data set also holds labels by people. Leave it out, or name `precision`"
            )
        return self

    @model_validator(mode="after")
    def _reachable(self) -> CertificateIn:
        size = self.first_size * 2 ** (self.sizes - 1)
        delta = (1 - self.confidence) * (1 - self.gold) * 2 / (self.sizes + 1)
        least = least_wrong(size, delta)
        tried = f"with {size:,} sampled images, none of them wrong, at this confidence"
        way_out = "Lower the target or the confidence, or raise `first_size` or `sizes`"
        if self.precision is not None and self.precision > 1 - least:
            raise ValueError(
                f"a precision of {self.precision:g} cannot be shown: {tried}, it is at most {1 - least:.4f}. {way_out}"
            )
        if self.finished is not None and self.finished < least / SMALL_SETS:
            raise ValueError(
                f"a share of {self.finished:g} wrong labels cannot be shown: {tried}, it is at least "
                f"{least / SMALL_SETS:.4f}. {way_out}"
            )
        return self


def least_wrong(images: int, delta: float) -> float:
    """The smallest share of wrong labels that so many right answers rule out at delta, in a set of any size.

    Examples
    --------
    >>> round(least_wrong(100, 0.05), 3)
    0.03
    """
    return float(1 - delta ** (1 / images))

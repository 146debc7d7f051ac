"""Requests for reports on engines: the one form that the command line, the API and the pages send to the worker.

In: JSON or arguments. Out: an `EngineRequest`. Nothing is loaded here, so any process may make one.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from labeling.conversion import decode
from labeling.errors import Invalid
from service import plugins

MOST_ENGINES, MOST_IMAGES, MOST_PILOT = 16, 2_000, 200


class ReportKind(StrEnum):
    """The kinds of reports."""

    TRY = "try"
    COMPARE = "compare"
    PLAN = "plan"


class EngineRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request. Without engines: those that the project uses. `image_id` is the image of `try`.

    `limit` is how many labelled images `compare` uses at most; `pilot` how many images `plan` may pay for.
    """

    kind: ReportKind
    engines: tuple[str, ...] = ()
    image_id: int | None = None
    limit: int = 200
    pilot: int = 0

    def __post_init__(self) -> None:
        if len(self.engines) > MOST_ENGINES or not 1 <= self.limit <= MOST_IMAGES or not 0 <= self.pilot <= MOST_PILOT:
            raise Invalid(
                f"Ask about {MOST_ENGINES} engines, {MOST_IMAGES} images and a pilot of {MOST_PILOT} at most."
            )
        if (self.kind is ReportKind.TRY) != (self.image_id is not None):
            raise Invalid("`try` needs the number of an image of the project, and nothing else does.")
        for name in self.engines:
            plugins.check_name(plugins.ENGINES, name.partition(":")[0])


def read_request(text: str) -> EngineRequest:
    """A request that was stored as one line of JSON; Invalid for anything else.

    >>> read_request('{"kind": "plan", "engines": ["scripted"]}').engines
    ('scripted',)
    """
    try:
        return decode(text, EngineRequest)
    except msgspec.DecodeError as error:
        raise Invalid(f"This is no request about engines: {error}") from error

"""What `hardcase doctor --deep` examines: one thing that is kept, a list of them, and where they lie."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import sqlalchemy as sa

from labeling.adapters.storage.image_store import ImageStore
from service.settings import Settings
from service.work.wiring import Parts, make_parts

__all__ = ["Ground", "Kept", "Listing"]


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing: `check` raises NotFound, Damaged or BadArtifact where it is not what was written.

    `mend` makes it anew; None where it was not made of anything else that is kept, and then `way_out` is all there is.
    """

    name: str
    check: Callable[[], None]
    way_out: str
    mend: Callable[[], None] | None = None
    gone_when_mended: bool = False
    """Mending removes it, and it is made anew when it is needed."""


@dataclass(frozen=True, slots=True)
class Listing:
    """How many there are, and each of them."""

    total: int
    things: Iterable[Kept]


@dataclass(frozen=True)  # no slots: `parts` is made when it is first asked for
class Ground:
    """Where everything lies."""

    settings: Settings
    database: sa.Engine

    @property
    def home(self) -> Path:
        return self.settings.home

    @cached_property
    def images(self) -> ImageStore:
        return ImageStore(self.settings.storage)

    @cached_property
    def parts(self) -> Parts:
        """What the worker works with, for what is made anew."""
        return make_parts(self.settings)

    def close(self) -> None:
        if "parts" in self.__dict__:
            self.parts.decoders.rest()
            self.parts.jobs.close()
            self.parts.database.dispose()

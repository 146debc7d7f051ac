"""How large an engine wants its pictures: large enough for what it reads in them, and no larger than it can take.

In: an engine, or a processor of images. Out: a `PictureSize`. Invariant: an encoder's size follows from its model
alone, so that its vectors of an image are the same wherever they are computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt
from typing import Any

from PIL import Image

__all__ = ["WHOLE", "OpenPicture", "PictureSize", "picture_size", "size_for"]

ENOUGH = 512
"""Pixels on the shorter side that are enough for all encoders but those that say otherwise."""
LARGEST = 4_096
_AN_AREA = 8_192
"""Above this a processor's number is no side but an area, as Qwen's are."""


@dataclass(frozen=True, slots=True)
class PictureSize:
    """In pixels. `shortest`: the shorter side keeps at least so many, where the picture has them; it may have more.

    `longest`: the longer side has exactly so many, where the picture has them, whatever `shortest` is; 0: no limit.
    Both 0: every pixel.
    """

    shortest: int = ENOUGH
    longest: int = 0

    @property
    def suffix(self) -> str:
        """What it adds to the name of an encoder's vectors: nothing where it is the usual size.

        >>> PictureSize().suffix, PictureSize(1_024).suffix
        ('', '-at-1024')
        """
        return "" if self == PictureSize() else f"-at-{self.longest or self.shortest}"

    def at_once(self, usual: int) -> int:
        """How many pictures of this size take the memory of `usual` ones of 1,024 pixels; at least one.

        >>> PictureSize().at_once(64), PictureSize(longest=1_024).at_once(64), PictureSize(longest=4_096).at_once(64)
        (64, 64, 4)
        """
        side = max(self.longest, self.shortest, 1_024)
        return max(1, usual * 1_024**2 // side**2)


WHOLE = PictureSize(shortest=0)
OpenPicture = Callable[[PictureSize], Image.Image]
"""Opens one picture anew in the size that is asked for."""


def picture_size(engine: object) -> PictureSize:
    """What an engine asks for by its `picture_size`; the usual size where it has none."""
    asked = getattr(engine, "picture_size", None)
    return asked if isinstance(asked, PictureSize) else PictureSize()


def size_for(processor: Any) -> PictureSize:
    """What an encoder needs whose images this processor of transformers prepares: never less than the usual.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> size_for(SimpleNamespace(size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224}))
    PictureSize(shortest=512, longest=0)
    >>> size_for(SimpleNamespace(size={"height": 1_024, "width": 1_024})).shortest
    1024
    """
    sides = [ENOUGH]
    for name in ("size", "crop_size"):
        given = getattr(processor, name, None)
        numbers = list(dict(given).values()) if given is not None and not isinstance(given, int) else [given]
        sides += [isqrt(one) if one > _AN_AREA else one for one in numbers if isinstance(one, int)]
    return PictureSize(shortest=min(max(sides), LARGEST))

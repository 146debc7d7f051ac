"""What is said of an image whose bytes are cut off or do not say what they must, whatever its format is.

In: a format. Out: the BadImage to raise, with the way out.
"""

from __future__ import annotations

from labeling.errors import BadImage

__all__ = ["broken", "cut_off"]

_WAY_OUT = "Export it again from where it came."


def broken(kind: str, what: str = "its header cannot be read") -> BadImage:
    """A file that begins like one of this kind and is none."""
    return BadImage(f"This {kind} is broken: {what}. {_WAY_OUT}")


def cut_off() -> BadImage:
    """A file whose pixels are not all there, or make no sense."""
    return BadImage(f"The image is cut off or broken. {_WAY_OUT}")

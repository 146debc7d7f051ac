"""Pictures for tests that do not care what is in them."""

from __future__ import annotations

from PIL import Image

__all__ = ["grey"]


def grey(level: int = 128) -> Image.Image:
    return Image.new("RGB", (8, 8), (level, level, level))

"""Where in an image a text is probably found: an overlay for annotators, drawn over the image. Never a label.

In: an RGB image and a text. Out: how likely the text is at each pixel, (H, W) in [0, 1], and the image with those
places bright. The model and its processor come loaded: any that gives one map of logits a text, as CLIPSeg does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from labeling.errors import Invalid
from labeling.prelabel.encoders.aspect import within_aspect
from labeling.prelabel.encoders.model_hash import fingerprint

__all__ = ["RegionFinder", "lit"]

DIMMED = 0.35
"""The brightness that is left where the text is least likely."""


class RegionFinder:
    """Finds regions for texts. Keeps the model loaded; costs nothing.

    Raises
    ------
    Invalid
        When the model takes no text beside the image.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        if not all(hasattr(processor, part) for part in ("image_processor", "tokenizer")):
            raise Invalid(
                f"{type(model).__name__} finds no regions for texts: name a model such as CLIPSeg, with a processor "
                "for images and texts."
            )
        self._model, self._processor = model.eval(), processor
        self.revision = f"{model.config.model_type}-regions-{fingerprint(model, processor)[:16]}"

    def find(self, image: Image.Image, text: str) -> NDArray[np.float32]:
        """How likely the text is at each pixel of the image: (H, W) in [0, 1]."""
        bounded = within_aspect(image)
        inputs = self._processor(text=[text], images=[bounded], padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            logits = self._model(**inputs).logits  # (1, h, w), or (h, w) for one text
            likely = logits.float().sigmoid().reshape(1, 1, *logits.shape[-2:])
            size = (image.height, image.width)
            whole = torch.nn.functional.interpolate(likely, size, mode="bilinear", align_corners=False)
        found: NDArray[np.float32] = whole[0, 0].numpy()
        if not np.isfinite(found).all():
            raise Invalid("The model for regions answered with numbers that are not finite; download it again.")
        return found


def lit(image: Image.Image, likely: NDArray[np.floating]) -> Image.Image:
    """The image with its likely places as they are and the others dimmed.

    Parameters
    ----------
    image : Image
        RGB.
    likely : (H, W) array
        In [0, 1], of the image's size; stretched so that its highest place has full brightness.

    Examples
    --------
    >>> grey = Image.new("RGB", (2, 1), (100, 100, 100))
    >>> drawn = lit(grey, np.array([[0.0, 0.5]]))
    >>> drawn.getpixel((0, 0)), drawn.getpixel((1, 0))
    ((35, 35, 35), (100, 100, 100))
    """
    if likely.shape != (image.height, image.width):
        raise ValueError(f"the map is {likely.shape}, the image {(image.height, image.width)}")
    spread = float(likely.max() - likely.min())
    stretched = (likely - likely.min()) / spread if spread > 0 else np.ones_like(likely)
    light = DIMMED + (1 - DIMMED) * stretched[..., None]  # (H, W, 1)
    return Image.fromarray(np.rint(np.asarray(image.convert("RGB")) * light).astype(np.uint8))

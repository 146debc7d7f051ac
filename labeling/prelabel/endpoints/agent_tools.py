"""What the agent may do before it answers: enlarge a part, see similar images, ask the classifier, read a guideline.

In: the item and the order of the engine. Out: words and pictures. Invariant: a tool has no side effect, takes no
address and no file name, uses nothing but this item, accepts any argument, and works `CALLS` times at most.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

from PIL import Image
from pydantic import ValidationError

from labeling.prelabel.encoders.aspect import least_side, within_aspect
from labeling.prelabel.endpoints.prompt import Part, byte_length, headings, picture_side, section, shot_parts
from labeling.prelabel.endpoints.structured_answers import ACTIONS
from labeling.prelabel.engine import EngineOrder, Item, Shot
from labeling.prelabel.picture_size import WHOLE
from labeling.types import ImageId

__all__ = ["CALLS", "CROP_SIDE", "SECTION", "SHOTS_FIRST", "AgentTools", "crop"]

CALLS = 3
CROP_SIDE = 448
SHOTS_FIRST = 4
"""Examples in the prompt; further ones are shown when the model asks for them, as many at a time."""
SECTION = 4_000
LEAST = 0.02
ENOUGH = "You have looked enough. Answer now."


@dataclass(frozen=True, slots=True)
class Used:
    """One use of a tool, for the record."""

    tool: str
    about: str


class AgentTools:
    """The tools for one answer about one item; they record their uses.

    `enlarging` is shared by all answers of an engine: a picture with all its pixels may take 150 MB, one at a time.
    """

    def __init__(self, item: Item, order: EngineOrder, enlarging: Lock) -> None:
        self._item, self._order, self._enlarging = item, order, enlarging
        self._crop_side = max(CROP_SIDE, picture_side(order) // 2)
        self.used: list[Used] = []
        self.shown: list[ImageId] = [shot.image_id for shot in self.first_shots]

    @property
    def first_shots(self) -> Sequence[Shot]:
        return self._item.shots[: min(SHOTS_FIRST, self._order.use.examples)]

    @property
    def names(self) -> tuple[str, ...]:
        """Those that can show something new."""
        used = {use.tool for use in self.used}
        there = {
            "look_closer": "image" in self._order.use.sends,
            "similar_images": len(self._item.shots) > len(self.shown),
            "classifier_opinion": self._item.prediction is not None and "classifier_opinion" not in used,
            "guideline": bool(headings(self._order.guidelines)),
        }
        return tuple(name for name, useful in there.items() if useful)

    def look_closer(self, left: float, top: float, right: float, bottom: float) -> list[Part]:
        """See a part of the picture larger. The box in shares of its width and height, from 0 to 1."""
        with self._enlarging:
            part = crop(self._item.at_size(WHOLE), left, top, right, bottom, self._crop_side)
        return ["The part that you asked for:", part]

    def similar_images(self) -> list[Part]:
        """See more of the nearest pictures that people have labelled."""
        more = [shot for shot in self._item.shots if shot.image_id not in self.shown][:SHOTS_FIRST]
        self.shown += [shot.image_id for shot in more]
        parts = [part for shot in more for part in shot_parts(shot, self._item, self._order.use.sends)]
        return parts or ["There are no more."]

    def classifier_opinion(self) -> list[Part]:
        """Read the classifier's prediction. It may be wrong."""
        prediction = zip(self._item.prediction or (), self._order.classes, strict=False)
        best = sorted(prediction, key=lambda pair: -pair[0])[:5]
        return ["The classifier may be wrong. " + "; ".join(f"{name}: {p:.2f}" for p, name in best)]

    def guideline(self, heading: str) -> list[Part]:
        """Read one part of the guidelines, by its heading."""
        return [section(self._order.guidelines, heading)[:SECTION] or "There is no such heading."]

    def call(self, action: str, arguments: dict[str, object]) -> list[Part]:
        """Use a tool by its name; an unknown one, or arguments that do not fit, give a message."""
        if action not in ACTIONS:
            return ["There is no such tool. Answer now."]
        try:
            fit = ACTIONS[action].model_validate({"action": action, **arguments})
        except ValidationError:
            return ["These arguments do not fit the tool."]
        if len(self.used) >= CALLS:
            return [ENOUGH]
        values = fit.model_dump(exclude={"action"})
        about = ", ".join(f"{one:.2f}" if isinstance(one, float) else str(one)[:80] for one in values.values())
        self.used.append(Used(action, about))
        parts: list[Part] = getattr(self, action)(**values)
        return parts

    def most_words(self) -> int:
        """The bytes that one use can add at most."""
        guidelines = byte_length(self._order.guidelines) if headings(self._order.guidelines) else 0
        return max(guidelines, sum(byte_length(shot.text or "") for shot in self._item.shots)) + 500

    def most_pictures(self, uses: int) -> list[tuple[int, int]]:
        """The sizes of the pictures that so many uses can add at most."""
        if "image" not in self._order.use.sends or not uses:
            return []
        return [(self._crop_side, self._crop_side)] * (min(uses, CALLS) + len(self._item.shots) - len(self.first_shots))


def crop(
    image: Image.Image, left: float, top: float, right: float, bottom: float, side: int = CROP_SIDE
) -> Image.Image:
    """The box at `side` pixels on its longer side; whatever the numbers, it is a part of this image.

    >>> crop(Image.new("RGB", (100, 50)), 0.5, -3, 0.5, 99).size
    (18, 448)
    """
    (x0, x1), (y0, y1) = _clamped(left, right), _clamped(top, bottom)
    width, height = image.size
    x, y = min(width - 1, int(x0 * width)), min(height - 1, int(y0 * height))
    part = image.crop((x, y, max(x + 1, round(x1 * width)), max(y + 1, round(y1 * height))))
    part = within_aspect(part)
    scale, least = side / max(part.size), least_side(side)
    return part.convert("RGB").resize((max(least, round(part.width * scale)), max(least, round(part.height * scale))))


def _clamped(one: float, other: float) -> tuple[float, float]:
    """Two numbers in order within [0, 1], at least `LEAST` apart."""
    first, second = sorted(min(1.0, max(0.0, value if math.isfinite(value) else 0.0)) for value in (one, other))
    first = min(first, 1 - LEAST)
    return first, max(second, first + LEAST)

"""How a project file writes one engine: its name, and what the project wants of it.

In: what the file has. Out: the same, checked as far as that goes without the model.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from service.plugins import ENGINES
from service.projects.written_texts import Plain, Template, named
from service.written_files import Strict

Share = Annotated[float, Field(ge=0, le=1)]
EngineName = Annotated[Plain, named(ENGINES)]


def _a_side(value: int) -> int:
    if 0 < value < 64:
        raise ValueError("pictures of so few pixels show nothing: write 64 at least, or 0 for what the engine asks for")
    return value


LabelMap = Annotated[dict[Annotated[Plain, Field(min_length=1, max_length=500)], Plain], Field(max_length=25_000)]
PictureSide = Annotated[int, Field(ge=0, le=4_096), AfterValidator(_a_side)]


class EngineUseIn(Strict):
    engine: EngineName
    templates: Annotated[list[Template], Field(max_length=100)] = []
    below_margin: Share = 0.3
    sends: list[Literal["image", "text"]] = ["image", "text"]
    examples: int = Field(default=0, ge=0, le=16)
    picture_side: PictureSide = 0
    label_map: LabelMap = {}

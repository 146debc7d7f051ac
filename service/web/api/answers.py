"""What the API answers with: a value of ours, its fields read by the names of the answer's."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """The base of bodies that are made from a value: `AlarmOut.of(alarm)`."""

    model_config = ConfigDict(from_attributes=True)

    @classmethod
    def of(cls, value: object) -> Self:
        """The answer that tells this value; what it has no field for is left out."""
        return cls.model_validate(value)

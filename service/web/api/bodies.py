"""The base of response models: their fields are read by name from a value of ours."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """A body that is made from a value: `AlarmOut.of(alarm)`."""

    model_config = ConfigDict(from_attributes=True)

    @classmethod
    def of(cls, value: object) -> Self:
        """The body made from this value; fields that the body does not have are left out."""
        return cls.model_validate(value)

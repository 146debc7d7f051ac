"""YAML files that people write, checked when they are read: every mistake is reported with its place.

In: a path and the shape of its content. Out: the content; a missing file is like an empty one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from labeling.errors import Invalid


class Strict(BaseModel):
    """A part of such a file: an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


T = TypeVar("T", bound=Strict)


def read_file(path: Path, kind: type[T]) -> T:
    """The content of the file.

    Raises
    ------
    Invalid
        The file has mistakes; the message names each with its place.
    """
    if not path.exists():
        return kind()
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return kind.model_validate(content)
    except (OSError, yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"{path} cannot be read: {str(error)[:300]}") from error
    except ValidationError as error:
        raise Invalid(f"{path} has mistakes:{mistakes(error)}") from error


def mistakes(error: ValidationError) -> str:
    """A line for each mistake, with its place."""
    return "".join(f"\n  {'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()[:20])

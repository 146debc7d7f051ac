"""Texts that somebody wrote with `{name}` and `{description}` in them.

In: a template. Out: the same, checked, or filled. It is parsed, never handed to `str.format`, which would compute
widths and read attributes that its author chose.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from labeling.errors import Invalid

__all__ = ["check_template", "fill_template"]

_PLACES = re.compile(r"(\{name\}|\{description\})")


def check_template(template: str) -> str:
    """The template, if it holds `{name}`, perhaps `{description}`, and nothing else in braces.

    Raises
    ------
    Invalid
        With the place of the first brace that belongs to something else, or because the name is missing.

    Examples
    --------
    >>> check_template("a photo of a {name}")
    'a photo of a {name}'
    """
    at = 0
    for part in _PLACES.split(template):
        odd = None if _PLACES.fullmatch(part) else re.search(r"[{}]", part)
        if odd is not None:
            shown = template[at + odd.start() :][:30]
            raise Invalid(
                f"A template may hold {{name}} and {{description}}, nothing else in braces: see {shown!r} at character "
                f"{at + odd.start() + 1}."
            )
        at += len(part)
    if "{name}" not in template:
        raise Invalid("A template must hold {name}.")
    return template


def fill_template(template: str, words: Mapping[str, str]) -> str:
    """The template with each place replaced, in one pass: braces in a name or a description stay what they are.

    Raises
    ------
    Invalid
        As `check_template`.

    Examples
    --------
    >>> fill_template("a {name}", {"{name}": "cat", "{description}": ""})
    'a cat'
    """
    return "".join(words.get(part, part) for part in _PLACES.split(check_template(template)))

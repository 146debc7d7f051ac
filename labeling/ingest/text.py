"""The text that came with an image, cleaned to be stored, embedded and shown.

In: text and metadata as users wrote them. Out: NFC text without control, invisible or direction-changing characters,
bounded in length; metadata as a small flat mapping. Content is never interpreted: it stays data.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from labeling.errors import Invalid
from labeling.normal_form import is_plain, visible

__all__ = ["MAX_REFERENCE", "MAX_TEXT", "MAX_TEXT_BYTES", "check_details", "clean_text", "text_of", "words_of"]

MAX_TEXT = 10_000
MAX_TEXT_BYTES = 64 * 1024
MAX_REFERENCE = 2_048
MAX_DETAILS = 50
MAX_VALUE = 2_000

_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\s*\n\s*")


def clean_text(text: str | None) -> str | None:
    """Text as it is stored: NFC, no unwanted characters, single spaces, `MAX_TEXT` at most; None if nothing is left.

    >>> clean_text("  a\\u202e  cat\\x00 ")
    'a cat'
    >>> clean_text(" ") is None
    True
    """
    if not text:
        return None
    if len(text) <= MAX_TEXT and is_plain(text):
        return text  # nearly all text is like this, and it is asked 100,000 times in a row
    plain = _LINES.sub("\n", _SPACES.sub(" ", visible(text))).strip()
    return (plain if len(plain) <= MAX_TEXT else visible(plain[:MAX_TEXT]).strip()) or None


def text_of(data: bytes) -> str | None:
    """The text of a file beside an image, of its first `MAX_TEXT_BYTES`: UTF-8, or UTF-16 with a byte order mark.

    Raises
    ------
    Invalid
        It is neither.
    """
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        start, is_whole = data[:MAX_TEXT_BYTES], len(data) <= MAX_TEXT_BYTES
        return clean_text(codecs.getincrementaldecoder(encoding)().decode(start, final=is_whole))
    except UnicodeDecodeError as error:
        raise Invalid("This text is not UTF-8, so its image is taken without it. Save it as UTF-8.") from error


def check_details(details: Mapping[str, Any]) -> dict[str, str | int | float | bool | None]:
    """Metadata as it is stored: at most 50 names, plain values, text cleaned.

    Raises
    ------
    Invalid
        Too many names, two that are the same, a value that is a list or mapping, or text over `MAX_VALUE` characters.

    >>> check_details({"camera": "X100", "year": 2026})
    {'camera': 'X100', 'year': 2026}
    """
    if len(details) > MAX_DETAILS:
        raise Invalid(f"There are {len(details)} metadata fields; at most {MAX_DETAILS} are kept. Leave some out.")
    kept = {_name(name): value if _is_kept(value) else _value(name, value) for name, value in details.items()}
    if len(kept) < len(details):
        raise Invalid("Two metadata fields have the same name, written in two ways. Leave one out.")
    return kept


def words_of(text: str | None, details: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """The text of an image together with the metadata that the project reads as text; None if there is none.

    >>> words_of("a cat", {"place": "Kyoto", "id": 7}, ["place"])
    'a cat. place: Kyoto'
    """
    parts = [text] if text else []
    parts += [f"{name}: {details[name]}" for name in names if details.get(name) not in (None, "")]
    return clean_text(". ".join(parts))


def _is_kept(value: Any) -> bool:
    """Whether a value is stored as it is; nearly all are, and looking closer costs ten times as much."""
    if type(value) is str:
        return len(value) <= MAX_VALUE and is_plain(value)
    return type(value) is int and -(2**53) < value < 2**53


@lru_cache(maxsize=1_000)
def _name(name: str) -> str:
    cleaned = clean_text(name)
    if cleaned is None or len(cleaned) > 100:
        raise Invalid("Metadata names must have 1 to 100 characters.")
    return cleaned


def _value(name: str, value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)[:MAX_VALUE]
    if isinstance(value, float):
        return value if value - value == 0 else None  # JSON has no infinity and no NaN
    if isinstance(value, str):
        if len(value) > MAX_VALUE:
            raise Invalid(f"Metadata {name!r:.60} has over {MAX_VALUE:,} characters. Shorten it, or make it the text.")
        return clean_text(value)
    raise Invalid(f"Metadata {name!r:.60} must be text, a number, true, false or null.")

"""Values of typed classes from plain ones and from JSON, whatever the number of threads.

msgspec learns a class at its first use and shows it to other threads half learnt: two threads that meet there end the
process (msgspec 0.22, `tests/unit/test_conversion.py`). Here the first use of every class is one thread's alone;
nothing else of ours gives a class to `msgspec.convert` or `msgspec.json.decode`.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, TypeVar

import msgspec

__all__ = ["convert", "decode"]

T = TypeVar("T")
_learnt: set[Any] = set()
_learning = Lock()


def convert(value: object, kind: type[T], *, from_attributes: bool = False) -> T:
    """The value as this kind.

    Raises
    ------
    msgspec.ValidationError
        When it is something else.
    """
    return msgspec.convert(value, _known(kind), from_attributes=from_attributes)


def decode(text: bytes | str, kind: type[T]) -> T:
    """The JSON text as a value of this kind.

    Raises
    ------
    msgspec.DecodeError
        When it is no JSON, or something else (msgspec.ValidationError).
    """
    return msgspec.json.decode(text, type=_known(kind))


def _known(kind: type[T]) -> type[T]:
    if kind not in _learnt:
        with _learning:
            msgspec.json.Decoder(kind)
            _learnt.add(kind)
    return kind

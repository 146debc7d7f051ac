"""CSV, record by record, so that a quote which is never closed costs its own line and no other.

In: numbered lines. Out: for each record the number of its first line, and its values or what is wrong with it. Within a
value in quotes a quote is written twice; a value may have several lines, but none that is a record of its own.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Collection, Iterator

__all__ = ["Line", "csv_records", "split_line"]

Line = tuple[int, str]
"""The number of a line, as an editor counts, and its text."""
_LONGEST = 131_072
"""Characters of one record that has several lines."""
_UNCLOSED = (
    "A quote opens in this line and is not closed where its value ends. Close it, or leave it out; within a value in "
    'quotes write "" for a quote.'
)


def csv_records(
    lines: Iterator[Line],
    delimiter: str,
    width: int,
    is_record: Callable[[list[str], list[str]], bool],
    short: Collection[int] = (),
) -> Iterator[tuple[int, list[str] | str]]:
    """The records of CSV after its header; text in place of values says why a line cannot be used.

    Parameters
    ----------
    width
        How many columns there are: a record of several lines with more values was never closed, empty ones left aside.
    is_record
        Whether values are surely a record of their own, seeing what the line before the quote begins with: a value in
        quotes that holds such a line was never closed.
    short
        Columns whose values have one line.

    Examples
    --------
    >>> list(csv_records(iter([(2, 'a.png,"x\\n'), (3, 'y",z\\n')]), ",", 3, lambda values, opened: False))
    [(2, ['a.png', 'x\\ny', 'z'])]
    """
    waiting: deque[Line] = deque()
    while (line := _next(lines, waiting)) is not None:
        number, text = line
        if '"' not in text:
            yield number, text.rstrip("\r\n").split(delimiter)
            continue
        if (alone := split_line(text, delimiter)) is not None:
            yield number, alone  # also with a quote in the middle of a value, where it is a sign like others
            continue
        record = _gathered(line, lines, waiting)
        values = split_line("".join(part for _, part in record), delimiter)
        opened, swallowed = text.split(delimiter), [split_line(part, delimiter) or [] for _, part in record[1:]]
        if values is None or _holds_more(values, width, short) or any(is_record(one, opened) for one in swallowed):
            waiting.extendleft(reversed(record[1:]))
            yield number, _UNCLOSED
        else:
            yield number, values


def _holds_more(values: list[str], width: int, short: Collection[int]) -> bool:
    """Whether values are more than there are columns, or one of them has lines where it should have one."""
    return any(values[width:]) or any("\n" in values[at] or "\r" in values[at] for at in short if at < len(values))


def split_line(text: str, delimiter: str) -> list[str] | None:
    """The values of a record; None where a quote is not closed, or closed before the end of its value.

    >>> split_line('a, "b, ""c"" d" ,\\n', ",")
    ['a', 'b, "c" d', '']
    """
    text, at = text.rstrip("\r\n"), 0
    if ' "' not in text and '" ' not in text:
        try:
            return next(csv.reader([text], delimiter=delimiter, strict=True), [""])
        except csv.Error:  # slower below, where nothing is guessed and more is taken
            pass
    values: list[str] = []
    while True:
        start = _after_spaces(text, at)
        if text.startswith('"', start):
            found = _quoted(text, start + 1)
            at = -1 if found is None else _after_spaces(text, found[1])
            if found is None or (at < len(text) and text[at] != delimiter):
                return None
            values.append(found[0])
        else:
            end = text.find(delimiter, at)
            values.append(text[at:] if end < 0 else text[at:end])
            at = len(text) if end < 0 else end
        if at >= len(text):
            return values
        at += 1


def _gathered(first: Line, lines: Iterator[Line], waiting: deque[Line]) -> list[Line]:
    """The lines of one record: more are taken while its quotes are uneven, to a limit."""
    record, size, uneven = [first], len(first[1]), first[1].count('"') % 2 == 1
    while uneven and size <= _LONGEST and (line := _next(lines, waiting)) is not None:
        record.append(line)
        size += len(line[1])
        uneven ^= line[1].count('"') % 2 == 1
    return record


def _next(lines: Iterator[Line], waiting: deque[Line]) -> Line | None:
    return waiting.popleft() if waiting else next(lines, None)


def _after_spaces(text: str, at: int) -> int:
    while at < len(text) and text[at] == " ":
        at += 1
    return at


def _quoted(text: str, at: int) -> tuple[str, int] | None:
    """What stands in quotes from here, and where it ends; None where it does not end."""
    parts: list[str] = []
    while (end := text.find('"', at)) >= 0:
        parts.append(text[at:end])
        if not text.startswith('"', end + 1):
            return "".join(parts), end + 1
        parts.append('"')
        at = end + 2
    return None

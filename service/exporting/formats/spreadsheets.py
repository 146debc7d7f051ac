"""Cells that no spreadsheet takes for a formula, and back.

A text that begins with a sign of a formula gets an apostrophe before it; so does one that begins with an apostrophe.
Taking the first apostrophe away thus gives every text back as it was.
"""

from __future__ import annotations

_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20'")


def spreadsheet_safe(cell: object) -> object:
    """The cell as it is written; numbers stay numbers.

    >>> spreadsheet_safe("=1+1"), spreadsheet_safe("a cat"), spreadsheet_safe(-1)
    ("'=1+1", 'a cat', -1)
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def from_spreadsheet(cell: str) -> str:
    """The text that was written as this cell.

    >>> from_spreadsheet("'=1+1"), from_spreadsheet("''tis"), from_spreadsheet("a cat")
    ('=1+1', "'tis", 'a cat')
    """
    return cell.removeprefix("'")

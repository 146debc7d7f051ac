"""Manifests: CSV or JSON Lines that name images and what is known of them, read line by line.

In: the bytes of a file. Out: for each line either what it says or why it cannot be used; a bad line never stops the
others. Columns: `image` (a path beside the manifest, or a web address), `text`, `label`, `gold`, `id`; any other
column is metadata.
"""

from __future__ import annotations

import csv
import io
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import msgspec

from labeling.errors import BadAddress, Invalid
from labeling.ingest.hashing import content_hash
from labeling.ingest.text import MAX_REFERENCE, check_details, clean_text
from labeling.types import Incoming

__all__ = ["MANIFEST_EXTENSIONS", "BadLine", "read_manifest"]

MANIFEST_EXTENSIONS = frozenset({".csv", ".tsv", ".jsonl", ".ndjson"})
MAX_LINE = 1_000_000
_YES = frozenset({"1", "true", "yes", "y", "t"})
_NO = frozenset({"", "0", "false", "no", "n", "f"})
_OURS = ("image", "text", "label", "gold", "id")


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be used: its number, as an editor counts, and what to do about it."""

    number: int
    reason: str


def read_manifest(file: BinaryIO, name: str, base: str | None) -> Iterator[Incoming | BadLine]:
    """What each line of a manifest says.

    Parameters
    ----------
    file
        The manifest, at its beginning: UTF-8 (with or without a byte order mark) or UTF-16 with one.
    name
        Its file name; the extension tells CSV (`,`, `;` or tab) from JSON Lines.
    base
        The address of the folder that paths are relative to; None allows web addresses only.

    Examples
    --------
    >>> (item,) = read_manifest(io.BytesIO(b"image,label,year\\na.jpg,cat,2026\\n"), "m.csv", "/photos")
    >>> item.address, item.known_label, dict(item.details)
    ('/photos/a.jpg', 'cat', {'year': '2026'})
    """
    lines = _as_text(file)
    try:
        records = _json_lines(lines) if name.lower().endswith((".jsonl", ".ndjson")) else _csv_lines(lines)
        for number, record in records:
            yield _read_line(number, record, base)
    finally:
        lines.detach()  # the file is its owner's to close


def _read_line(number: int, record: dict[str, Any] | str, base: str | None) -> Incoming | BadLine:
    if isinstance(record, str):
        return BadLine(number, record)
    try:
        return _item(record, base)
    except Invalid as error:
        return BadLine(number, error.message)


def _as_text(file: BinaryIO) -> io.TextIOWrapper:
    """Text by its byte order mark, UTF-8 without one; undecodable bytes are reported line by line, later."""
    start = file.read(4)
    file.seek(0)
    encoding = "utf-16" if start.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    return io.TextIOWrapper(file, encoding=encoding, errors="surrogateescape", newline="")


def _json_lines(lines: io.TextIOWrapper) -> Iterator[tuple[int, dict[str, Any] | str]]:
    number = 0
    while line := lines.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            yield number, f"The line has over {MAX_LINE:,} characters; nothing after it is read."
            return
        if line.strip():
            yield number, _from_json(line)


def _from_json(line: str) -> dict[str, Any] | str:
    try:
        record = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return "This is not JSON in UTF-8. Write one object a line."
    return record if isinstance(record, dict) else "This is not a JSON object. Write one object a line."


def _csv_lines(lines: io.TextIOWrapper) -> Iterator[tuple[int, dict[str, Any] | str]]:
    head = lines.readline(MAX_LINE)
    delimiter = max(",;\t", key=head.count)
    names = [name.strip() for name in next(csv.reader([head], delimiter=delimiter), [])]
    if "image" not in names or len(set(names)) != len(names):
        yield 1, "The first line must name the columns, each once, and one of them must be `image`."
        return
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        number = reader.line_num + 2  # the header is line 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, f"This is not CSV that can be read ({error})."
            continue
        if len(values) > len(names):
            yield number, f"There are {len(values)} values for {len(names)} columns. Is a value with commas quoted?"
        elif any(values):
            yield number, dict(zip(names, values, strict=False))


def _item(record: Mapping[str, Any], base: str | None) -> Incoming:
    words = {name: _word(record.get(name), name) for name in ("image", "text", "label", "id")}
    if words["image"] is None:
        raise Invalid("`image` is missing: the path of the image beside the manifest, or its web address.")
    address = _address(words["image"], base)
    reference = words["id"] or address
    if len(reference) > MAX_REFERENCE:
        raise Invalid(f"`id` (or the address) has over {MAX_REFERENCE:,} characters.")
    details = {name: value for name, value in record.items() if name not in _OURS and value not in (None, "")}
    return Incoming(
        reference=reference,
        address=address,
        text=clean_text(words["text"]),
        details=check_details(details),
        known_label=clean_text(words["label"]),
        gold=_yes(record.get("gold")),
        fingerprint=content_hash(msgspec.json.encode(record))[:16],  # so that an edited line is another revision
    )


def _word(value: Any, name: str) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool | float | list | dict):
        raise Invalid(f"`{name}` must be text.")
    word = str(value)
    if any("\ud800" <= letter <= "\udfff" for letter in word):
        raise Invalid(f"`{name}` is not UTF-8. Save the manifest as UTF-8.")
    if name != "text" and any(ord(letter) < 32 for letter in word):
        raise Invalid(f"`{name}` holds control characters.")
    return word.strip() or None


def _yes(value: Any) -> bool:
    word = str(value if value is not None else "").strip().lower()
    if word not in _YES | _NO:
        raise Invalid("`gold` must be true or false.")
    return word in _YES


def _address(image: str, base: str | None) -> str:
    """The address of an image: a web address as it is, a path only inside the folder of the manifest."""
    if image.lower().startswith(("http://", "https://")):
        return image
    if base is None:
        raise BadAddress("Only web addresses can be used here: there is no folder beside an uploaded manifest.")
    path = posixpath.normpath(image)
    if "://" in image or "::" in image or "\\" in image or image.startswith(("/", "~")) or path.startswith(".."):
        raise BadAddress(
            f"{image[:100]!r} does not lie in the folder of the manifest. Put the manifest above its images."
        )
    return f"{base.rstrip('/')}/{path}"

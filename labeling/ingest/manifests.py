"""Manifests: CSV or JSON Lines that name images and what is known of them, read line by line.

In: the bytes of a file. Out: for each line either what it says or why it cannot be used; a bad line never stops the
others, and an image that stands in two lines is never halved in silence. Columns: `image` (a path beside the manifest,
or a web address), `text`, `label`, `gold`, `id`; any other column is metadata.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

import msgspec

from labeling.errors import BadAddress, Invalid
from labeling.ingest.containers.manifest_lines import OURS, records_of
from labeling.ingest.hashing import content_hash
from labeling.ingest.text import MAX_REFERENCE, check_details, clean_text
from labeling.normal_form import one_line, same_name, visible
from labeling.types import Incoming

__all__ = ["MANIFEST_EXTENSIONS", "BadLine", "read_manifest"]

MANIFEST_EXTENSIONS = frozenset({".csv", ".tsv", ".jsonl", ".ndjson"})
_YES = frozenset({"1", "1.0", "true", "yes", "y", "t"})
_NO = frozenset({"", "0", "0.0", "false", "no", "n", "f"})
_CONTROL = re.compile(r"[\x00-\x1f]")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be used: its number, as an editor counts, and what to do about it."""

    number: int
    reason: str


def read_manifest(
    file: BinaryIO, name: str, base: str | None, exists: Callable[[str], bool] | None = None
) -> Iterator[Incoming | BadLine]:
    """What each line of a manifest says.

    Parameters
    ----------
    file
        The manifest, at its beginning: UTF-8 (with or without a byte order mark), UTF-16, or UTF-32 with one.
    name
        Its file name; the extension tells CSV (`,`, `;`, `|` or tab) from JSON Lines.
    base
        The address of the folder that paths are relative to; None allows web addresses only.
    exists
        Whether there is a file at an address. Asked only of a path with a backslash, which is read as `/` unless a
        file has it in its name.

    Examples
    --------
    >>> import io
    >>> (item,) = read_manifest(io.BytesIO(b"image,label,year\\na.jpg,cat,2026\\n"), "m.csv", "/photos")
    >>> item.address, item.known_label, dict(item.details)
    ('/photos/a.jpg', 'cat', {'year': '2026'})
    """
    repeated = _Repeated()
    for number, record in records_of(file, name):
        if isinstance(record, str):
            yield BadLine(number, record)
            continue
        try:
            item = _item(record, base, exists)
            repeated.check(number, item)
        except Invalid as error:
            yield BadLine(number, error.message)
        else:
            yield item


class _Repeated:
    """Finds lines that speak of an image of which another line said something else; keeps numbers, not texts."""

    def __init__(self) -> None:
        self._first: dict[int, _Said] = {}

    def check(self, number: int, item: Incoming) -> None:
        """Invalid, with both lines and what differs, where an image stood in a line before with other facts."""
        details = hash(tuple(sorted(item.details.items(), key=lambda pair: pair[0])))
        said = _Said(number, item.known_label, item.gold, hash(item.text), details, hash(_same_place(item.address)))
        for name in {item.reference, item.address}:
            before = self._first.setdefault(hash(_same_place(name)), said)
            if differences := _differences(before, said):
                raise Invalid(
                    f"The image {visible(name)[:200]} stands in line {before.number} too, and {differences}. That line "
                    "is taken; write what is known of an image into one line."
                )


@dataclass(frozen=True, slots=True)
class _Said:
    """What a line said of its image: its label and gold flag, and hashes of what is long."""

    number: int
    label: str | None
    gold: bool
    text: int
    details: int
    address: int


def _same_place(name: str) -> str | tuple[str, int | None, str, str]:
    """Equal for web addresses that differ in the case of their host, the usual port, escapes or a fragment alone."""
    if not name.lower().startswith(("http://", "https://")):
        return name
    try:
        parts = urlsplit(name)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:  # refused elsewhere, with the reason
        return name
    return f"{parts.scheme}://{parts.hostname}", port, unquote(parts.path) or "/", parts.query


def _differences(one: _Said, other: _Said) -> str:
    words = []
    if one.address != other.address:
        words.append("that line names another file under the same id")
    if same_name(one.label or "") != same_name(other.label or ""):
        words.append(f"its label is {_label(one.label)} there, {_label(other.label)} here")
    if one.gold != other.gold:
        words.append("it is gold in one of the two only")
    if one.text != other.text:
        words.append("its text is another one")
    if one.details != other.details:
        words.append("its metadata differ")
    return "; ".join(words)


def _label(label: str | None) -> str:
    return "not given" if label is None else repr(label[:100])


def _item(record: Mapping[str, Any], base: str | None, exists: Callable[[str], bool] | None) -> Incoming:
    words = {name: _word(record.get(name), name) for name in ("image", "text", "label", "id")}
    if words["image"] is None:
        others = ", ".join(map(str, record))[:100]
        raise Invalid(
            "`image` is missing: the path of the image beside the manifest, or its web address. "
            f"Here is: {others or 'nothing'}."
        )
    address = _address(words["image"], base, exists)
    reference = visible(words["id"] or address)
    if len(reference) > MAX_REFERENCE:
        raise Invalid(f"`id` (or the address) has over {MAX_REFERENCE:,} characters. Shorten it.")
    details = {name: value for name, value in record.items() if name not in OURS and value not in (None, "")}
    return Incoming(
        reference=reference,
        address=address,
        text=clean_text(words["text"]),
        details=check_details(details),
        known_label=one_line(words["label"] or "") or None,
        gold=_yes(record.get("gold")),
        fingerprint=content_hash(msgspec.json.encode(record))[:16],  # so that an edited line is another revision
    )


def _word(value: Any, name: str) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool | float | list | dict):
        raise Invalid(f"`{name}` must be text.")
    word = str(value)
    if name != "text" and _CONTROL.search(word):
        raise Invalid(f"`{name}` holds control characters. Leave them out.")
    return word.strip() or None


def _yes(value: Any) -> bool:
    word = str(value if value is not None else "").strip().lower()
    if word not in _YES | _NO:
        raise Invalid("`gold` must be true or false.")
    return word in _YES


def _address(image: str, base: str | None, exists: Callable[[str], bool] | None) -> str:
    """The address of an image: a web address as it is, a path only inside the folder of the manifest."""
    if image.lower().startswith(("http://", "https://")):
        return image
    if base is None:
        raise BadAddress("Only web addresses can be used here: there is no folder beside an uploaded manifest.")
    folder = base.rstrip("/")
    inside = image.removeprefix(f"{folder}/")
    if "\\" in inside and not (exists is not None and exists(f"{folder}/{inside}")):
        inside = _with_slashes(inside)
    path = posixpath.normpath(inside)
    if inside.startswith(("/", "~/")) or "://" in inside:
        raise BadAddress(
            f"{image[:100]!r} is no path beside the manifest. Name the image from the manifest's folder on."
        )
    if path == ".." or path.startswith("../"):
        raise BadAddress(
            f"{image[:100]!r} does not lie in the folder of the manifest. Put the manifest above its images."
        )
    return f"{folder}/{path}"


def _with_slashes(path: str) -> str:
    """A path as Windows writes it, with `/` for its backslashes."""
    if _DRIVE.match(path) or path.startswith("\\\\"):
        raise BadAddress(
            f"{path[:100]!r} names a drive or computer of Windows. Name the image from the manifest's folder on, with "
            "/ in place of each backslash."
        )
    return path.replace("\\", "/")

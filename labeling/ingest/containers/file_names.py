"""What a file is by its name, and where the name does not say, by its first bytes.

In: the path of a file in a folder or an archive. Out: whether it is an image, a text, hidden, or something else. A file
without an extension, or with one that nobody knows, is an image if it begins like one.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from enum import Enum

from labeling.errors import BadImage
from labeling.ingest.headers import ACCEPTED_EXTENSIONS, format_of
from labeling.normal_form import clean_name, visible

__all__ = [
    "HIDDEN",
    "START_BYTES",
    "FileKind",
    "Names",
    "begins_like_an_image",
    "extension_of",
    "kind_of",
    "printable",
    "stem_of",
]

START_BYTES = 256
"""So many bytes tell a format."""
HIDDEN = "hidden files and folders"
_SYSTEM = frozenset(
    {"__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "thumbs.db", "desktop.ini"}
    | {"@recycle", "@recently-snapshot", "#snapshot", "~snapshot", "recycler", "ehthumbs.db", "icon\r"}
    | {"network trash folder", "temporary items"}
)
"""What operating systems and file servers put beside the files of people, in small letters."""
_OTHERS = re.compile(
    r"\.(7z|ai|avi|bz2|c|cfg|conf|cpp|css|csv|db|dll|docx?|exe|flac|gz|h|h5|html?|ini|ipynb|jar|js|json|jsonl|lock|log"
    r"|m4a|m4v|md|mkv|mov|mp3|mp4|ndjson|np[yz]|ods|odt|onnx|parquet|pdf|pickle|pkl|pptx?|pth?|py|rar|rtf|safetensors|sh"
    r"|sqlite|svg|tar|tgz|toml|tsv|wav|webm|xlsx?|xml|xz|ya?ml|zip)"
)
"""Known not to be images: their first bytes are not read."""
_EXTENSION = re.compile(r"\.[a-z0-9_-]{1,10}")


class FileKind(Enum):
    """What a file is by its name. `UNKNOWN`: its first bytes say."""

    IMAGE = "image"
    TEXT = "text"
    HIDDEN = "hidden"
    OTHER = "other"
    UNKNOWN = "unknown"


def kind_of(path: str) -> FileKind:
    """What the file at this path is by its name; hidden in a hidden folder is hidden too.

    >>> kind_of("cats/1.JFIF").value, kind_of("__MACOSX/._1.png").value, kind_of("scan").value
    ('image', 'hidden', 'unknown')
    """
    parts = path.split("/")
    if any(part.lower() in _SYSTEM or (part.startswith(".") and part not in (".", "..")) for part in parts):
        return FileKind.HIDDEN
    extension = posixpath.splitext(parts[-1].lower())[1].rstrip()
    if extension in ACCEPTED_EXTENSIONS:
        return FileKind.IMAGE
    if extension == ".txt":
        return FileKind.TEXT
    return FileKind.OTHER if _OTHERS.fullmatch(extension) else FileKind.UNKNOWN


def begins_like_an_image(start: bytes) -> bool:
    """Whether the first `START_BYTES` of a file are those of a format that is taken."""
    try:
        return bool(format_of(start))
    except BadImage:
        return False


def extension_of(path: str) -> str:
    """By which name a file is counted that is left alone."""
    found = posixpath.splitext(path.lower())[1].rstrip()
    return found if _EXTENSION.fullmatch(found) else "without extension"


def printable(name: str) -> str:
    """A name as it is shown in a reason: what cannot be printed is written as its number.

    >>> printable("M\\udcfcller.png")
    'M\\\\udcfcller.png'
    """
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in name)


class Names:
    """Names in one normal form, each once: of names that differ in their form alone the later ones get a number."""

    def __init__(self) -> None:
        self._given: Counter[str] = Counter()

    def of(self, name: str, *, cleaned: str | None = None) -> str:
        """The name as it is stored; Invalid where it cannot be, and `cleaned` is not given.

        >>> names = Names()
        >>> names.of("a.png"), names.of("a\\u200b.png")
        ('a.png', 'a.png (2)')
        """
        stored = clean_name(name) if cleaned is None else cleaned
        self._given[stored] += 1
        number = self._given[stored]
        return stored if number == 1 else f"{stored} ({number})"


def stem_of(path: str) -> str:
    """The name under which an image and the text beside it find each other."""
    return visible(posixpath.splitext(path)[0])

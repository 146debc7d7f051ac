"""Folder names for classes: class names come from people, so only safe characters of them get into a path.

In: the classes. Out: a folder name for each, different from every other one on any file system, also where upper and
lower case are the same. A name that had to be changed, or might be taken for another, carries digits of its hash.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

LONGEST_BYTES = 100
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_SLASHES = str.maketrans(dict.fromkeys("\u2044\u2215\u29f8\u29f9\uff0f\uff3c\u2216\ufe68\u2024\uff0e", "_"))
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³")})
_SUFFIXED = re.compile(r"-[0-9a-f]{16}$")


def folder_names(classes: Sequence[str]) -> dict[str, str]:
    """Class -> the name of its folder.

    >>> folder_names(["cat", "dog"])
    {'cat': 'cat', 'dog': 'dog'}
    >>> folder_names(["../cat"])["../cat"].startswith("_cat-")
    True
    """
    cleaned = {name: _clean(name) for name in classes}
    taken = Counter(_folded(clean) for clean in cleaned.values())

    def is_free(clean: str) -> bool:
        return taken[_folded(clean)] == 1 and not _SUFFIXED.search(_folded(clean))

    return {name: clean if clean == name and is_free(clean) else _with_hash(name) for name, clean in cleaned.items()}


def _with_hash(name: str) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{_clean(name)}-{digest}"


def _clean(name: str) -> str:
    plain = "".join("_" if unicodedata.category(sign)[0] == "C" else sign for sign in name.translate(_SLASHES))
    plain = _UNSAFE.sub("_", plain)
    plain = plain.encode()[:LONGEST_BYTES].decode(errors="ignore").strip(" .")
    return f"_{plain}" if not plain or plain.split(".")[0].strip().casefold() in _DEVICES else plain


def _folded(name: str) -> str:
    """Equal for names that are the same on file systems which ignore case or normalise Unicode."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())

"""Class names come from people; what becomes of them in a path can do nothing."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.exporting.formats.class_folders import folder_names

HOSTILE = (
    "../../etc", "..\\..\\x", "%2e%2e/x", "/etc/passwd", "a\0b", "CON", "con.txt", "nul", "COM1", "aux ", ".", "..", "",
    " ", "a/b", "a\u2215b", "a\u2044b", "a\uff0fb", "\uff0e\uff0e", "x" * 4_096, "\u00e9" * 300, "a:b", "a?", "a\nb",
    "\u202egnp.exe", "-rf", "~root", "\ud800",
)  # fmt: skip
NAMES = st.one_of(st.text(max_size=8), st.sampled_from([*HOSTILE, "cat", "Cat", "CAT", "cat-0123456789abcdef"]))


def is_safe(folder: str) -> bool:
    parts = Path(folder).parts
    plain = not any(unicodedata.category(sign).startswith("C") for sign in folder)
    slashes = any(sign in unicodedata.normalize("NFKC", folder) for sign in '/\\:*?"<>|')
    device = folder.split(".")[0].strip().casefold() in ("con", "prn", "aux", "nul", "com1", "lpt9")
    ends = folder.startswith((".", " ")) or folder.endswith((".", " "))
    return len(parts) == 1 and plain and not slashes and not device and not ends and len(folder.encode()) <= 255


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_becomes_one_plain_folder(name: str) -> None:
    assert is_safe(folder_names([name])[name])


@given(st.lists(NAMES, unique=True, max_size=8))
def test_folders_are_safe_and_differ_wherever_case_and_form_do_not_count(names: list[str]) -> None:
    folders = folder_names(names)

    folded = {unicodedata.normalize("NFKC", folder).casefold() for folder in folders.values()}
    assert len(folded) == len(names)
    assert all(map(is_safe, folders.values()))


def test_names_that_clean_to_the_same_are_kept_apart_in_any_order() -> None:
    names = ["a/b", "a\\b", "a_b", "A_B"]

    folders = folder_names(names)

    assert len({folder.casefold() for folder in folders.values()}) == 4
    assert folder_names(list(reversed(names))) == folders


def test_a_name_that_looks_like_a_marked_one_cannot_take_its_place() -> None:
    marked = folder_names(["a/b"])["a/b"]

    folders = folder_names(["a/b", marked])

    assert folders["a/b"] == marked
    assert folders[marked] != marked


def test_plain_names_stay_as_they_are() -> None:
    names = ["cat", "Great Dane", "chou-fleur", "none of these"]

    assert folder_names(names) == dict(zip(names, names, strict=True))

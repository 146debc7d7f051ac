"""Words that came with an image."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.errors import Invalid
from labeling.ingest.text import MAX_TEXT, check_details, clean_text, words_of


@given(st.text())
def test_cleaning_is_idempotent_and_leaves_text_that_any_database_takes(text: str) -> None:
    cleaned = clean_text(text)

    assert clean_text(cleaned) == cleaned
    if cleaned is not None:
        cleaned.encode()
        assert 0 < len(cleaned) <= MAX_TEXT
        assert unicodedata.is_normalized("NFC", cleaned)
        assert not set(cleaned) & set("\0\r\u200b\u202e\u2066\ufeff")


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [("a\r\nb", "a\nb"), ("  a \t b ", "a b"), ("e\u0301", "é"), ("\u200b", None), ("", None), (None, None)]
    + [("x" * 20_000, "x" * MAX_TEXT)],
)
def test_text_is_cleaned(given_text: str | None, kept: str | None) -> None:
    assert clean_text(given_text) == kept


@given(st.dictionaries(st.text(max_size=20), st.none() | st.booleans() | st.integers() | st.floats() | st.text()))
def test_metadata_is_plain_json_or_refused(details: dict[str, Any]) -> None:
    try:
        kept = check_details(details)
    except Invalid:
        return

    assert json.loads(json.dumps(kept, allow_nan=False)) == kept


@pytest.mark.parametrize(
    "details", [{"a": [1]}, {"a": {}}, {"a": "x" * 3_000}, {"": 1}, {str(n): n for n in range(51)}]
)
def test_metadata_that_is_no_metadata_is_refused(details: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        check_details(details)


def test_metadata_that_the_project_reads_as_text_joins_the_text() -> None:
    assert words_of(None, {"place": "Kyoto", "empty": ""}, ["place", "empty", "missing"]) == "place: Kyoto"
    assert words_of("a cat", {}, []) == "a cat"
    assert words_of(None, {}, []) is None

"""Names for content."""

from __future__ import annotations

from hashlib import sha256

from labeling.ingest.hashing import content_hash, text_key


def test_content_and_text_are_named_by_their_sha256() -> None:
    assert content_hash(b"x") == sha256(b"x").hexdigest()
    assert text_key("ünï") == sha256("ünï".encode()).hexdigest()
    assert len(text_key("\ud800")) == 64

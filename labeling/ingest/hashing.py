"""Names for content: a hash of bytes, and of a text.

In: bytes or text. Out: lower-case hex. Equal input gives an equal name everywhere and always.
"""

from __future__ import annotations

from hashlib import sha256

__all__ = ["content_hash", "text_key"]


def content_hash(data: bytes) -> str:
    """The sha256 of bytes as 64 hex digits: what an image is called in every store.

    >>> content_hash(b"")[:12]
    'e3b0c44298fc'
    """
    return sha256(data).hexdigest()


def text_key(text: str) -> str:
    """The key of a text's vector: the sha256 of its UTF-8 bytes as 64 hex digits.

    >>> text_key("a cat") == content_hash(b"a cat")
    True
    """
    return content_hash(text.encode("utf-8", "surrogatepass"))

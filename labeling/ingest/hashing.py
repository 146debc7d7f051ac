"""Names for content: a hash of bytes, a hash of text, and a perceptual hash of an image.

In: bytes, text or an image. Out: lower-case hex. Equal input gives an equal name everywhere and always; a flat
image has no perceptual hash and gets the empty string, which is near to nothing.
"""

from __future__ import annotations

from hashlib import sha256

from PIL import Image

from labeling.loading import loading

__all__ = ["content_hash", "hamming", "perceptual_hash", "text_key"]

_FLAT = 8
"""Under this range of grey levels a perceptual hash is rounding noise: all flat images would be twins."""


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


def perceptual_hash(image: Image.Image) -> str:
    """A perceptual hash of 64 bits, as 16 hex digits; "" for a flat image.

    Source: the DCT hash of `imagehash.phash` (8 x 8 lowest frequencies of a 32 x 32 grey image against their median).
    """
    with loading:
        import imagehash  # brings scipy along, which the web process and the command line must not load

    small = image.convert("L").resize((32, 32), Image.Resampling.BOX)
    extrema = small.getextrema()
    darkest, brightest = float(extrema[0]), float(extrema[1])  # type: ignore[arg-type]  # one band: two numbers
    return "" if brightest - darkest < _FLAT else str(imagehash.phash(image))


def hamming(one: str, other: str) -> int:
    """In how many of 64 bits two perceptual hashes differ; 64 where either is empty.

    >>> hamming("00000000000000ff", "000000000000000f")
    4
    >>> hamming("", "")
    64
    """
    return (int(one, 16) ^ int(other, 16)).bit_count() if one and other else 64

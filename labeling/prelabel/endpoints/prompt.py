"""The question about one image to a model at an endpoint: instructions, then words and pictures in order.

In: the order of the engine, and an item. Out: the text that is the same for all items, and the parts that are not.
Invariant: only the fields in `sends` are in a part; untrusted words stand between tags; pictures are encoded anew,
without metadata, and equal items give equal bytes.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from PIL import Image

from labeling.errors import Invalid
from labeling.prelabel.encoders.aspect import fit
from labeling.prelabel.endpoints.backends import Abilities
from labeling.prelabel.endpoints.endpoint import Price
from labeling.prelabel.endpoints.untrusted_text import RULE, delimited
from labeling.prelabel.engine import EngineOrder, Item, Shot
from labeling.types import NONE_OF_THESE, UNSURE

__all__ = [
    "IMAGE_SIDE",
    "NOTHING_TO_SEND",
    "SHOT_SIDE",
    "Part",
    "byte_length",
    "content_of",
    "data_url",
    "encode",
    "endpoint_revision",
    "headings",
    "image_sizes",
    "instructions",
    "item_parts",
    "known_price",
    "may_be_asked",
    "picture_side",
    "pinned",
    "section",
    "shot_parts",
    "text_bytes",
]

IMAGE_SIDE = 768
SHOT_SIDE = 256
GUIDELINES = 6_000
"""Characters of guidelines in every prompt; longer ones are cut, and their headings are listed."""
LOSSLESS = 256 * 256
NOTHING_TO_SEND = "failed: nothing of this image may be sent: it has no text, and its picture stays here"
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*\s*$", re.MULTILINE)

Part = str | Image.Image


def instructions(order: EngineOrder, *, letters: bool = False) -> str:
    """The instructions for all items: the task, the labels, the guidelines, and what the model must not obey."""
    lines = ["You label one image of a project. Choose exactly one label; never invent one."]
    if "image" not in order.use.sends:
        lines.append("You are not shown the image itself, only the text that came with it.")
    if not letters:
        lines.append("Labels:")
        lines += [f"- {one.name}: {one.description}" if one.description else f"- {one.name}" for one in order.labels]
        lines.append(f"- {NONE_OF_THESE}: you see what it is, and no label fits")
        lines.append(f"- {UNSURE}: you cannot tell; write as `question` what a person should decide")
    if order.guidelines:
        lines += ["Guidelines of the project:", _beginning(order.guidelines)]
    return "\n".join([*lines, RULE])


def item_parts(item: Item, order: EngineOrder, shots: Sequence[Shot]) -> list[Part]:
    """The examples first, then the text of the item, then the item itself."""
    parts = [part for shot in shots for part in shot_parts(shot, item, order.use.sends)]
    if "text" in order.use.sends and item.text:
        parts.append("Text that came with the image:\n" + delimited(item.text, "text", _key(item)))
    if "image" in order.use.sends:
        if item.description:
            parts.append("What another model saw in it:\n" + delimited(item.description, "description", _key(item)))
        parts += ["The image to label:", fit(item.image, picture_side(order))]
    return parts


def picture_side(order: EngineOrder) -> int:
    """Pixels on the longer side of the picture that is sent."""
    return order.use.picture_side or IMAGE_SIDE


def may_be_asked(item: Item, order: EngineOrder) -> bool:
    """Whether anything of the item may be sent at all."""
    return "image" in order.use.sends or ("text" in order.use.sends and bool(item.text))


def shot_parts(shot: Shot, item: Item, sends: Sequence[str]) -> list[Part]:
    """One example that people have labelled, as far as its fields may be sent."""
    parts: list[Part] = [f"A similar image that people labelled: {shot.label}"]
    if "text" in sends and shot.text:
        parts.append(delimited(shot.text, "text of the example", _key(item)))
    if "image" in sends:
        parts.append(fit(shot.open(), SHOT_SIDE))
    return parts


def encode(image: Image.Image) -> tuple[bytes, str]:
    """Bytes and media type, with nothing in them but pixels: PNG where it is small, JPEG else."""
    form = "PNG" if image.width * image.height <= LOSSLESS else "JPEG"
    written = io.BytesIO()
    Image.frombytes("RGB", image.size, image.convert("RGB").tobytes()).save(written, form, quality=90)
    return written.getvalue(), f"image/{form.lower()}"


def content_of(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """The parts as a chat message's content has them."""
    return [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image_url", "image_url": {"url": data_url(part)}}
        for part in parts
    ]


def data_url(image: Image.Image) -> str:
    data, media = encode(image)
    return f"data:{media};base64,{base64.b64encode(data).decode()}"


def text_bytes(parts: Sequence[Part]) -> int:
    """How many bytes the words in the parts are."""
    return sum(byte_length(part) for part in parts if isinstance(part, str))


def image_sizes(parts: Sequence[Part]) -> list[tuple[int, int]]:
    """Width and height of all pictures in the parts."""
    return [part.size for part in parts if not isinstance(part, str)]


def headings(guidelines: str) -> list[str]:
    """The headings of Markdown guidelines that are too long for the prompt; else none.

    >>> headings("# Cats" + "\\n" * 6_001), headings("# Cats")
    (['Cats'], [])
    """
    return _HEADING.findall(guidelines) if len(guidelines) > GUIDELINES else []


def section(guidelines: str, heading: str) -> str:
    """The text under a heading, up to the next one; empty when there is no such heading.

    >>> section("# Cats\\nOnly whole ones.\\n# Dogs\\n", "Cats")
    'Only whole ones.'
    """
    found = list(_HEADING.finditer(guidelines))
    for one, following in zip(found, [*found[1:], None], strict=True):
        if one.group(1) == heading:
            return guidelines[one.end() : following.start() if following else None].strip()
    return ""


def byte_length(text: str) -> int:
    """Bytes of a text in UTF-8: no tokenizer makes more tokens of it."""
    return len(text.encode("utf-8", "surrogatepass"))


def known_price(price: Price | None, order: EngineOrder) -> Price:
    """The price that an estimate needs; Invalid says where to write it."""
    if price is None:
        raise Invalid(f"What {order.model} costs is not known. Write its price, or `price: free`, into endpoints.yaml.")
    return price


def pinned(value: Any) -> str:
    """A short hash of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def endpoint_revision(engine: str, order: EngineOrder, prompt: str, abilities: Abilities) -> str:
    """The revision of an engine at an endpoint: it pins the prompt, model, fields, examples, pictures and abilities."""
    whole = pinned([prompt, order.model, order.use.sends, order.use.examples, picture_side(order), asdict(abilities)])
    return f"{engine}-{re.sub(r'[^A-Za-z0-9_.-]+', '-', order.model)[:60]}-{whole}"


def _beginning(guidelines: str) -> str:
    found = headings(guidelines)
    if len(guidelines) <= GUIDELINES:
        return guidelines
    more = f"\n(The guidelines go on. Their headings: {'; '.join(found)})" if found else ""
    return guidelines[:GUIDELINES] + more


def _key(item: Item) -> str:
    return item.key or hashlib.sha256(item.image.tobytes()).hexdigest()

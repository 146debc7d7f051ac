"""Makes SVG plots safe to embed in a page: SVG text in, only what a plot needs out.

What is not on the lists is dropped: scripts, handlers, styles, links, foreign content. Names are escaped again, and
ids get a prefix, so that ids of two plots on one page differ.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from markupsafe import Markup

MAX_CHARACTERS = 2_000_000
_ELEMENTS = frozenset(
    {"svg", "g", "path", "rect", "circle", "line", "text", "tspan", "defs", "linearGradient", "stop"}
    | {"clipPath", "title", "desc", "polyline", "polygon"}
)
_ATTRIBUTES = frozenset(
    {"width", "height", "viewBox", "x", "y", "x1", "x2", "y1", "y2", "r", "cx", "cy", "dx", "dy", "d", "points"}
    | {"fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-miterlimit", "stroke-opacity"}
    | {"stroke-linecap", "stroke-linejoin", "opacity", "transform", "display", "clip-path", "id"}
    | {"text-anchor", "font-family", "font-size", "font-weight", "font-style"}
    | {"offset", "stop-color", "stop-opacity", "gradientUnits", "gradientTransform"}
)
_REFERENCE = re.compile(r"url\(#([\w-]+)\)")


def safe_svg(text: str | None, *, name: str, title: str) -> Markup | None:
    """The plot as markup with `title` for screen readers; None if there is none or it is no SVG."""
    if text is None or len(text) > MAX_CHARACTERS:
        return None
    try:
        root = fromstring(text, forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError):
        return None
    if _local(root.tag) != "svg":
        return None
    clean = _copy(root, name)
    clean.attrib |= {"role": "img", "aria-label": title, "class": "plot"}
    return Markup(ElementTree.tostring(clean, encoding="unicode", short_empty_elements=False))


def _copy(element: ElementTree.Element, name: str) -> ElementTree.Element:
    clean = ElementTree.Element(_local(element.tag), _attributes(element, name))
    clean.text, clean.tail = element.text, element.tail
    clean.extend(_copy(child, name) for child in element if _local(child.tag) in _ELEMENTS)
    return clean


def _attributes(element: ElementTree.Element, name: str) -> dict[str, str]:
    kept: dict[str, str] = {}
    for attribute, value in element.attrib.items():
        if attribute not in _ATTRIBUTES:
            continue
        if attribute == "id":
            kept[attribute] = f"{name}-{value}"
        elif "url(" not in value.lower():
            kept[attribute] = value
        elif reference := _REFERENCE.fullmatch(value.strip()):
            kept[attribute] = f"url(#{name}-{reference[1]})"
    return kept


def _local(tag: object) -> str:
    return str(tag).rsplit("}", 1)[-1] if isinstance(tag, str) else ""

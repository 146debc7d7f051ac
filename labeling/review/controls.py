"""The names that a labelling config uses: ours, or those of a project that others made and we take over.

In: a labelling config. Out: the names of its image, its choices and the data that they show, and its answers. What is
read here asks exactly one question with one answer about one image; anything else is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn
from xml.etree import ElementTree

import defusedxml.ElementTree

from labeling.answers import is_always_offered
from labeling.errors import Invalid
from labeling.project import LabelClass

__all__ = ["OURS", "Controls", "Foreign", "parse_xml", "read_config"]

_SILENT = frozenset({"View", "Header", "Text", "HyperText", "Style", "Filter", "Collapse", "Panel"})
_WORDS = ("Text", "HyperText", "Header")
_ONE = frozenset({"single", "single-radio"})
_RESERVED = frozenset({"external_id", "region", "engine_top", "engine_reason"})
_WAY_OUT = "Taken over are projects with one Image and one single-choice Choices about it; beside them only words."


@dataclass(frozen=True, slots=True)
class Controls:
    """What the image and the choices are called, and the keys of a task's data that hold its image and its text.

    Label Studio refuses to rename a control that answers use, so the names of a project that was taken over stay.
    """

    image: str = "image"
    choices: str = "label"
    image_key: str = "image"
    text_key: str = "text"


OURS = Controls()


@dataclass(frozen=True, slots=True)
class Foreign:
    """A labelling config that others wrote: its names, and its classes in their order."""

    controls: Controls
    labels: tuple[LabelClass, ...]


def read_config(xml: str) -> Foreign:
    """Read a labelling config that others wrote.

    Parameters
    ----------
    xml
        As Label Studio has it.

    Returns
    -------
    Foreign
        Its names and classes; the two answers that hardcase always offers are no classes.

    Raises
    ------
    Invalid
        When it asks anything but one single choice about one image; the message says what is supported.

    >>> choices = '<Choices name="kind" toName="img"><Choice value="cat"/></Choices>'
    >>> read_config(f'<View><Image name="img" value="$url"/>{choices}</View>').controls
    Controls(image='img', choices='kind', image_key='url', text_key='text')
    """
    tags = list(parse_xml(xml).iter())
    image, choices = _only(tags, "Image"), _only(tags, "Choices")
    if other := sorted({str(tag.tag) for tag in tags} - _SILENT - {"Image", "Choices", "Choice"}):
        _refuse(f"it has {', '.join(other)}")
    _check_choices(choices, str(image.get("name")))
    controls = Controls(
        image=_named(image, "name"),
        choices=_named(choices, "name"),
        image_key=_key(image) or _refuse(f"the Image shows {image.get('value')!r}, not one field of the task"),
        text_key=next(filter(None, (_key(tag) for name in _WORDS for tag in tags if tag.tag == name)), "text"),
    )
    if controls.text_key == controls.image_key or {controls.text_key, controls.image_key} & _RESERVED:
        _refuse(f"its image is the field {controls.image_key!r} of the task and its text {controls.text_key!r}")
    return Foreign(controls, tuple(_labels(choices)))


def parse_xml(xml: str) -> ElementTree.Element:
    """A labelling config as a tree; Invalid if it is not plain XML."""
    try:
        found: ElementTree.Element = defusedxml.ElementTree.fromstring(xml)
    except (ElementTree.ParseError, defusedxml.DefusedXmlException, ValueError, RecursionError) as error:
        raise Invalid("The labelling config in Label Studio is not plain XML. Correct it there.") from error
    return found


def _only(tags: list[ElementTree.Element], name: str) -> ElementTree.Element:
    found = [tag for tag in tags if tag.tag == name]
    return found[0] if len(found) == 1 else _refuse(f"it has {len(found)} {name} tags")


def _check_choices(choices: ElementTree.Element, image: str) -> None:
    if choices.get("choice", "single") not in _ONE:
        _refuse(f"its Choices take several answers (choice={choices.get('choice')!r})")
    if choices.get("toName") != image:
        _refuse("its Choices are not about its Image")
    if choices.get("value") or choices.get("perRegion", "false") == "true" or choices.get("perItem", "false") == "true":
        _refuse("its Choices come from the task's data, or are asked of a part of the image")
    if any(choice.find("Choice") is not None for choice in choices.iter("Choice")):
        _refuse("its Choices lie inside each other")


def _labels(choices: ElementTree.Element) -> Iterator[LabelClass]:
    """An answer is recorded under its alias, where it has one; what people read is then its description."""
    for choice in choices.iter("Choice"):
        value, alias = choice.get("value", ""), choice.get("alias", "")
        if not is_always_offered(alias or value):
            yield LabelClass(alias or value, choice.get("hint", "") or (value if alias and alias != value else ""))


def _named(tag: ElementTree.Element, attribute: str) -> str:
    return tag.get(attribute) or _refuse(f"its {tag.tag} has no {attribute}")


def _key(tag: ElementTree.Element) -> str:
    """The field of the task that a tag shows; empty where it shows none, or part of one."""
    value = tag.get("value", "")
    return value[1:] if value[:1] == "$" and value[1:].isidentifier() else ""


def _refuse(why: str) -> NoReturn:
    raise Invalid(f"This Label Studio project cannot be taken over: {why}. {_WAY_OUT}")

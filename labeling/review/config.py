"""The Label Studio project of one of ours: labelling config, title, instructions, all from the label set.

In: a `ProjectConfig`. Out: text for Label Studio. Names come from people: as XML they are escaped, as
instructions (which Label Studio renders as HTML) too, and a `$` in a name is shown but never resolved.
"""

from __future__ import annotations

import hashlib
import html
from collections.abc import Sequence
from xml.etree import ElementTree

from labeling.label_sets.changes import names_now
from labeling.project import LabelClass, Policy, ProjectConfig
from labeling.review.controls import OURS, Controls, parse_xml
from labeling.slices import batches
from labeling.types import NONE_OF_THESE, UNSURE

__all__ = [
    "HINTS",
    "choices_in",
    "config_hash",
    "former_names",
    "instructions",
    "labelling_config",
    "literal",
    "overlay_title",
    "title",
]

REGION = "region"
"""The name of the overlay, which nothing refers to."""

HINTS = {"top": "engine_top", "reason": "engine_reason", "reason_before": "engine_reason"}
"""The values of `policy.show`, and the key of a task's data that holds each; in every task, empty where blind."""
WHY = "Why? What the engine says"
"""The heading that a click opens: a reason that is read before one's own answer pulls that answer to it."""
MANY = 30
GROUP = 15
TITLE = (3, 50)
_IN_VIEW = "flex: 1; min-width: 0; position: sticky; top: 0; max-height: 80vh; overflow-y: auto"
_SMALL = "font-size: 0.9rem; font-weight: 400; line-height: 1.4"
_EXPLAINED = {
    "examples": "The most similar images that people have labelled",
    "occlusion": "What the suggested class depends on: bright parts, when covered, make it less likely",
    "both": "What the suggested class depends on (bright), and the most similar labelled images",
}
_ALWAYS = ((NONE_OF_THESE, "No class of the list fits", "n"), (UNSURE, "It cannot be decided from this image", "m"))


def labelling_config(config: ProjectConfig, controls: Controls = OURS) -> str:
    """The labelling config as XML: the image and, always in view beside it, its text and one choice a class.

    The first ten choices have the digits as hotkeys. Over 30 classes get a filter to type in, and alphabetical groups.
    Former names of classes are choices that are not displayed: Label Studio takes no config without what people chose.
    `controls` are the names of a project that was taken over.

    >>> config = ProjectConfig("animals", (LabelClass("cat"), LabelClass("dog & bone")))
    >>> choices_in(labelling_config(config))
    ('cat', 'dog & bone', 'none of these', 'unsure')
    """
    view = ElementTree.Element("View", style="display: flex; align-items: flex-start; gap: 1rem")
    left = ElementTree.SubElement(view, "View", style="flex: 2; min-width: 0")
    ElementTree.SubElement(left, "Image", name=controls.image, value=f"${controls.image_key}", zoom="true")
    if overlay_title(config.policy):
        ElementTree.SubElement(left, "Header", value=overlay_title(config.policy), size="6")
        ElementTree.SubElement(left, "Image", name=REGION, value="$region", zoom="true")
    right = ElementTree.SubElement(view, "View", style=_IN_VIEW)
    ElementTree.SubElement(right, "Header", value=f"${controls.text_key}", size="5")
    for shown in config.policy.show:
        _add_hint(right, shown)
    many = len(config.labels) > MANY
    if many:
        ElementTree.SubElement(right, "Filter", name="filter", toName=controls.choices, hotkey="shift+f", minlength="0")
    names = {"name": controls.choices, "toName": controls.image}
    inline = str(not many).lower()
    choices = ElementTree.SubElement(right, "Choices", names, choice="single", required="true", showInline=inline)
    (_add_groups if many else _add_choices)(choices, config.labels)
    for digit, choice in zip("1234567890", choices.iter("Choice"), strict=False):
        choice.set("hotkey", digit)
    for name, hint, hotkey in _ALWAYS:
        ElementTree.SubElement(choices, "Choice", value=name, hint=hint, hotkey=hotkey)
    former = [LabelClass(name) for name in former_names(config)]
    if former:
        _add_choices(ElementTree.SubElement(choices, "View", style="display: none"), former)
    return ElementTree.tostring(view, encoding="unicode")


def former_names(config: ProjectConfig) -> tuple[str, ...]:
    """The names that are of no class any more, in the order in which they were given up."""
    return tuple(names_now(config.changes))


def overlay_title(policy: Policy) -> str:
    """The heading of the overlay; empty where there is none."""
    return "Where the suggested class probably is" if policy.regions else _EXPLAINED.get(policy.explanation, "")


def choices_in(xml: str) -> tuple[str, ...]:
    """The answers that a labelling config offers, ours or not; Invalid if it is not plain XML."""
    return tuple(str(choice.get("alias") or choice.get("value")) for choice in parse_xml(xml).iter("Choice"))


def title(config: ProjectConfig) -> str:
    """The project's name as Label Studio takes it: 3 to 50 characters."""
    shortest, longest = TITLE
    name = config.name if len(config.name) >= shortest else f"{config.name} (hardcase)"
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def instructions(config: ProjectConfig) -> str:
    """The guidelines and what each class means, as escaped HTML."""
    described = [label for label in config.labels if label.description]
    meanings = "".join(f"<li><b>{html.escape(c.name)}</b>: {html.escape(c.description)}</li>" for c in described)
    paragraphs = html.escape(config.guidelines.strip()).replace("\n", "<br>")
    return "".join((f"<p>{paragraphs}</p>" if paragraphs else "", f"<ul>{meanings}</ul>" if meanings else ""))


def config_hash(*written: str) -> str:
    """A hash of what was written to Label Studio, to find out when it must be written again."""
    return hashlib.sha256("\0".join(written).encode("utf-8", "surrogatepass")).hexdigest()


def _add_hint(parent: ElementTree.Element, shown: str) -> None:
    """One line of what the engine said; its reason behind a click, unless the policy wants it before the answer."""
    if shown == "reason":
        parent = ElementTree.SubElement(ElementTree.SubElement(parent, "Collapse"), "Panel", value=WHY)
    ElementTree.SubElement(parent, "Header", value=f"${HINTS[shown]}", size="6", style=_SMALL)


def _add_choices(parent: ElementTree.Element, labels: Sequence[LabelClass]) -> None:
    for label in labels:
        choice = ElementTree.SubElement(parent, "Choice", value=literal(label.name))
        if "$" in label.name:
            choice.set("alias", label.name)
        if label.description:
            choice.set("hint", literal(label.description))


def _add_groups(parent: ElementTree.Element, labels: Sequence[LabelClass]) -> None:
    ordered = sorted(labels, key=lambda label: (label.name.casefold(), label.name))
    for group in batches(ordered, GROUP):
        block = ElementTree.SubElement(parent, "View")
        heading = f"{group[0].name} … {group[-1].name}"
        ElementTree.SubElement(block, "Header", value=literal(heading), size="6")
        _add_choices(block, group)


def literal(text: str) -> str:
    """Text that is shown as it is: an invisible character keeps Label Studio from reading `$name` as a field."""
    return text.replace("$", "$\N{WORD JOINER}")

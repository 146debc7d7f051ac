"""Which texts stand for a label where an engine compares texts.

In: labels with their descriptions and texts of their own, and templates. Out: the texts of each label, never none.
Invariant: an engine's revision covers every text that comes from here.
"""

from __future__ import annotations

from collections.abc import Sequence

from labeling.project import LabelClass
from labeling.text_templates import fill_template

__all__ = ["CAPTIONS", "SENTENCES", "label_texts", "texts_by_label"]

SENTENCES = ("{name}", "a photo of a {name}", "a picture of a {name}", "{name}: {description}")
"""For the bundled sentence encoder. Measured, and fixed beforehand (docs/decisions/0004-bundled-engine.md)."""
CAPTIONS = (
    "a photo of a {name}.",
    "a photo of the {name}.",
    "a picture of a {name}.",
    "a close-up photo of a {name}.",
    "a photo of a {name}, {description}.",
)
"""For models that were trained on captions, as CLIP and SigLIP were: each reads like one. Not measured by us."""


def label_texts(label: LabelClass, templates: Sequence[str], default: Sequence[str] = SENTENCES) -> list[str]:
    """The texts whose mean stands for a label.

    Parameters
    ----------
    label : LabelClass
        Its own prompts win over every template, as they are.
    templates : sequence of str
        Those of the project, with {name} and {description}; none: the engine's own.
    default : sequence of str
        The engine's own templates.

    Returns
    -------
    list of str, distinct and never empty. A template with {description} is left out for a label without one. In a
    name, an underscore is a space.

    Raises
    ------
    Invalid
        A template is none: see `labeling.text_templates`.

    Examples
    --------
    >>> label_texts(LabelClass("sea_bird", "gulls and terns"), [])[-2:]
    ['a picture of a sea bird', 'sea bird: gulls and terns']
    >>> label_texts(LabelClass("cat"), ["{name}, which is {description}"])
    ['cat']
    """
    if label.prompts:
        return list(dict.fromkeys(label.prompts))
    name, description = label.name.replace("_", " "), label.description.strip().rstrip(".")
    words = {"{name}": name, "{description}": description}
    usable = [template for template in (templates or default) if description or "{description}" not in template]
    return list(dict.fromkeys(fill_template(one, words) for one in usable)) or [name]


def texts_by_label(
    labels: Sequence[LabelClass], templates: Sequence[str], default: Sequence[str] = SENTENCES
) -> list[list[str]]:
    """The texts of every label, in the order of the label set."""
    return [label_texts(label, templates, default) for label in labels]

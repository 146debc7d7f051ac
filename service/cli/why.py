"""`hardcase why`: the story of one image: what it is, where it stands and why, and every fact about it in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from db.repositories.images.by_name import find_image
from db.session import reading
from db.views.image_history import Fact
from service.cli.output import AsJson, ProjectOption, emit, in_project
from service.labels.image_history import Story, story_of
from service.labels.image_standing import Standing
from service.labels.machine_labels import MachineLabel


def why(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Its number, its reference or its content hash.")],
    project: ProjectOption = None,
    as_json: AsJson = False,
) -> None:
    """Tell the story of one image: what was said of it, why it was asked about, what its label is used for.

    Example: hardcase why 17 --project animals
    """
    with in_project(as_json, project) as (hardcase, found):
        with reading(hardcase.database) as session:
            number = find_image(session, found.id, image)
            story = story_of(session, hardcase.settings.home, found, number, leads=True)
        emit(as_json, _document(story), *_lines(story), _facts(story.facts))


def _document(story: Story) -> dict[str, Any]:
    """The same names as in the answer of the API."""
    found: dict[str, Any] = msgspec.to_builtins(story)
    return {
        "image_id": story.image.image_id,
        "reference": story.image.reference,
        "label": story.image.value,
        "hidden": story.hidden,
        "facts": found["facts"],
        "twins": found["twins"],
        "image": found["item"],
        "standing": found["standing"],
        "machine": found["machine"],
    }


def _lines(story: Story) -> Iterator[str]:
    image, item = story.image, story.item
    yield f"Image {image.image_id}, {image.reference or 'without a reference'}"
    yield f"{item.format}, {item.width} × {item.height}, {item.size_bytes:,} bytes, hash {item.content_hash}"
    if item.text:
        yield f"Text: {item.text}"
    if item.details:
        yield f"Metadata: {_listed(item.details)}"
    yield f"Label: {_label(story)}"
    yield f"Machine label: {_machine(story.machine)}"
    if story.standing is not None:
        yield from _standing(story.standing)
    if story.twins:
        named = ", ".join(f"{twin.image_id} ({twin.label or 'no label'})" for twin in story.twins)
        yield f"Near-duplicates: {named}"


def _standing(standing: Standing) -> Iterator[str]:
    yield from filter(None, (standing.use, standing.waits_for))
    if standing.trained:
        yield f"Versions that were trained on it: {', '.join(map(str, standing.trained))}."
    if standing.calibrated:
        yield f"Versions whose temperature was fitted on it: {', '.join(map(str, standing.calibrated))}."
    if standing.group is not None:
        images = f"{standing.images_in_group} image{'s' if standing.images_in_group > 1 else ''}"
        yield f"Group {standing.group}, of {images}{_stream(standing)}."
    if standing.left_aside:
        listed = ", ".join(map(str, standing.left_aside))
        yield f"Of the newest queries these could have picked it and did not: {listed}."


def _stream(standing: Standing) -> str:
    shadow = f"; query {standing.shadow_pick_of} would have picked it: a shadow pick" if standing.shadow_pick_of else ""
    if standing.drawn:
        return f"; the random stream asked about it{shadow}"
    return f"; reserved for the random stream{shadow}" if standing.reserved else shadow


def _label(story: Story) -> str:
    one = story.image
    if one.value is None or one.source is None:
        return "none"
    kind = f", {one.kind.value}" if one.kind else ""
    confidence = f", consensus {one.confidence:.2f}" if one.confidence is not None and not one.decided else ""
    return f"{one.value} ({one.source.value}{kind}{confidence})"


def _machine(machine: MachineLabel) -> str:
    if machine.machine_label is None or machine.probability is None:
        return f"none: {machine.why}"
    return f"{machine.machine_label}, calibrated probability {machine.probability:.3f}, version {machine.version}"


def _facts(facts: list[Fact]) -> Table:
    """One line a fact, and why below it."""
    made = Table.grid(padding=(0, 2))
    made.title, made.title_justify = "what happened", "left"
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for one in facts:
        said = one.what + (f" by {one.by}" if one.by else "") + (f": {one.says}" if one.says else "")
        more = "; ".join(filter(None, (one.why, _listed(one.details))))
        made.add_row(f"{one.at:%Y-%m-%d %H:%M}", Text("\n".join(filter(None, (said, more)))))
    return made


def _listed(details: Any) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in details.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name} {number}" for name, number in value.items())
    return str(value)

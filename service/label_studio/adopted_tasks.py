"""Register tasks that somebody made in Label Studio; their images are fetched as all others are.

In: tasks as Label Studio shows them. Out: registrations and `adopted_task` rows; the job `adopt` does the rest, and
doing it twice changes nothing. The address of an image is checked here: files that Label Studio keeps are named by
their path alone, so that they are fetched only from the Label Studio that the settings name, and no task can name a
file of this machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy.orm import Session

from db.repositories.images import adopted_tasks, registrations
from db.repositories.images.adopted_tasks import NewTask
from db.repositories.reviews import label_studio, reviews
from db.repositories.reviews.label_studio import Place
from db.repositories.running import failures
from labeling.errors import BadAddress
from labeling.ingest.text import MAX_VALUE, clean_text
from labeling.project import Project
from labeling.review.controls import Controls
from labeling.types import Incoming
from service.ingest.register import sort_out, without_deleted

STUDIO = "label-studio:"
"""Begins the address of a file that Label Studio itself keeps; the rest is a path on its server."""
KEPT = "original_"
"""Prefix of a field of a task's data that holds its value from before the task was taken over."""

_FILES = ("/data/upload/", "/data/local-files/", "/storage-data/uploaded/", "/tasks/")
_BUCKETS = ("s3://", "s3a://", "gs://", "gcs://", "abfs://", "abfss://", "az://")
_FIELDS = 40


def take_in(
    session: Session,
    project: Project,
    tasks: Sequence[Mapping[str, Any]],
    now: datetime,
    *,
    buckets: bool = False,
    people: int = 1,
) -> int:
    """Note the tasks that are not known yet and register their images; return how many are new.

    Parameters
    ----------
    tasks
        Each with `id` and `data`; one whose image has no usable address is skipped, with the reason among the failures.
    buckets
        Let tasks name object stores (s3://, gs://, az://), which are read with the rights of this installation.
    people
        How many people were to answer each task.
    """
    place = label_studio.get(session, project.id)
    if place is None:
        return 0
    new = _unknown(session, project, place, tasks)
    found, refused = _registered(project, place, new, buckets)
    items, bad = sort_out(project, list(found.values()), local=True)
    refused |= dict(bad)
    items, _ = without_deleted(session, project, items)
    registrations.register(session, project.id, items, now)
    ids = registrations.known(session, project.id, [item.reference for item in items])
    for reference, reason in refused.items():
        failures.record(session, project.id, failures.REGISTER, f"{project.id}:{reference}", reason, True, now)
    wanted = {item.reference for item in items}
    noted = [
        NewTask(int(task["id"]), ids[reference].id, _is_answered(task), people)
        for task in new
        if (reference := _reference(place, task)) in wanted
    ]
    return adopted_tasks.add(session, project.id, noted, now)


def controls_of(place: Place) -> Controls:
    """The names in the labelling config of this place: ours, unless it was taken over."""
    return Controls() if place.controls is None else Controls(**place.controls)


def address_in(value: object, origin: str, *, buckets: bool) -> str:
    """The address under which the image of a task is fetched; BadAddress where it may not be.

    >>> address_in("/data/upload/7/cat.png", "", buckets=False)
    'label-studio:/data/upload/7/cat.png'
    """
    if not isinstance(value, str) or not value:
        raise BadAddress("The task names no image.")
    if value.startswith(f"{origin}/"):
        value = value.removeprefix(origin)
    if value.lower().startswith(("http://", "https://")) or (buckets and value.startswith(_BUCKETS)):
        return value
    if value.startswith("/"):
        return STUDIO + studio_path(value)
    if value.startswith(_BUCKETS):
        raise BadAddress("The task names an object store. `hardcase adopt` takes such tasks over; this way does not.")
    raise BadAddress("The image of this task is neither on the web, nor in an object store, nor in Label Studio.")


def studio_path(value: str) -> str:
    """A path under which Label Studio serves files, with its query; BadAddress for any other."""
    parts = urlsplit(value)
    plain = unquote(unquote(parts.path))
    if parts.scheme or parts.netloc or not plain.startswith(_FILES) or ".." in plain.split("/") or "\\" in plain:
        raise BadAddress("Label Studio serves no images under this path.")
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _unknown(
    session: Session, project: Project, place: Place, tasks: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Those that are neither recorded nor ours; one of ours that is not yet recorded as pushed has its key."""
    ids = [int(task["id"]) for task in tasks]
    known = adopted_tasks.known_tasks(session, project.id, place.ls_project_id, ids)
    keys = [str(_data(task).get("external_id", "")) for task in tasks]
    ours = reviews.by_token(session, project.id, [key for key in keys if key])
    return [task for task, key in zip(tasks, keys, strict=True) if int(task["id"]) not in known and key not in ours]


def _registered(
    project: Project, place: Place, tasks: Sequence[Mapping[str, Any]], buckets: bool
) -> tuple[dict[str, Incoming], dict[str, str]]:
    found: dict[str, Incoming] = {}
    refused: dict[str, str] = {}
    for task in tasks:
        reference = _reference(place, task)
        try:
            found[reference] = _item(reference, controls_of(place), place.base_url, _data(task), buckets)
        except BadAddress as error:
            refused[reference] = error.message
    return found, refused


def _item(reference: str, controls: Controls, origin: str, data: Mapping[str, Any], buckets: bool) -> Incoming:
    text = data.get(controls.text_key)
    details = {
        str(name): value
        for name, value in data.items()
        if name not in (controls.image_key, controls.text_key) and _is_plain(name, value)
    }
    return Incoming(
        reference=reference,
        address=address_in(data.get(controls.image_key), origin, buckets=buckets),
        text=clean_text(text) if isinstance(text, str) else None,
        details=dict(list(details.items())[:_FIELDS]),
    )


def _is_plain(name: object, value: object) -> bool:
    """Whether a field can be kept as metadata; lists, long texts and unusual names stay in Label Studio only."""
    if clean_text(str(name)) is None or len(str(name)) > 100:
        return False
    return isinstance(value, int | float) or (isinstance(value, str) and 0 < len(value) <= MAX_VALUE)


def _reference(place: Place, task: Mapping[str, Any]) -> str:
    return f"label-studio/{place.ls_project_id}/{int(task['id'])}"


def _data(task: Mapping[str, Any]) -> Mapping[str, Any]:
    data = task.get("data")
    return data if isinstance(data, dict) else {}


def _is_answered(task: Mapping[str, Any]) -> bool:
    return bool(task.get("annotations") or task.get("total_annotations") or task.get("cancelled_annotations"))

"""Keeps our project in Label Studio as it must be: the project, its labelling config, and the webhook.

In: a project of ours. Out: its place. What is in Label Studio is compared with what we would write, so a change by
hand is corrected, and nothing is written when nothing differs.
"""

from __future__ import annotations

import hashlib

from db.repositories.reviews import label_studio, reviews
from db.repositories.reviews.label_studio import Place
from db.session import reading, transaction
from labeling.adapters.label_studio.client import ProjectSettings, StudioProject
from labeling.errors import Conflict, Invalid, NotFound
from labeling.project import Project
from labeling.review import config as formats
from labeling.review.controls import OURS
from labeling.review.events import ACTIONS
from service.label_studio.adopted_tasks import controls_of
from service.label_studio.webhook import HEADER, digest_of, path_of, secret_of
from service.logs import get_logger
from service.work.wiring import Parts

log = get_logger(__name__)


def update_studio_project(parts: Parts, project: Project) -> tuple[Place, StudioProject]:
    """Make or correct the Label Studio project and its webhook; the place as it is now, and the project as found."""
    place = _find_or_make(parts, project)
    found = read_studio_project(parts, project, place)
    _correct_project(parts, project, place, found)
    _correct_webhook(parts, project, place)
    return _place(parts, project) or place, found


def _marker_of(project: Project) -> str:
    """A text in its description, to find the project again if we were killed after making it."""
    return f"Made by hardcase ({hashlib.sha256(f'{project.salt}:{project.id}'.encode()).hexdigest()[:16]})"


def read_studio_project(parts: Parts, project: Project, place: Place) -> StudioProject:
    """The project in Label Studio as it is now; NotFound where it was deleted, Conflict where another has its number.

    After a restore from a backup that is older than our project, its number goes to the next one made there.
    """
    try:
        found = parts.label_studio.project(place.ls_project_id)
    except NotFound as error:
        raise NotFound(
            f"Project {place.ls_project_id} was deleted in Label Studio at {place.base_url}. Restore it there from a "
            "backup, or make a new project here: it shares images and embeddings with this one."
        ) from error
    if place.controls is None and _marker_of(project) not in found.description and not _has_our_task(parts, place):
        raise Conflict(
            f"Project {place.ls_project_id} in Label Studio at {place.base_url} is another one now. Was Label Studio "
            "restored from a backup older than ours? Restore a newer one, or make a new project here."
        )
    return found


def _has_our_task(parts: Parts, place: Place) -> bool:
    """Whether the newest task that we know is there: then only the project's description was changed."""
    with reading(parts.database) as session:
        newest = reviews.highest_push(session, place.project_id)
    if newest is None:
        return False
    found = parts.label_studio.tasks(place.ls_project_id, [newest.ls_task_id])
    return any(task.token == newest.token for task in found)


def _is_as_written(project: Project, found: StudioProject) -> bool:
    """Whether Label Studio offers our answers, shows the lowest score first and takes skips as final."""
    try:
        offered = sorted(formats.choices_in(found.label_config))
    except Invalid:
        return False
    settings = (found.sampling, found.skip_queue, found.show_predictions, found.maximum_annotations)
    return (
        offered == sorted((*project.config.answers.choices, *formats.former_names(project.config)))
        and settings == ("Uncertainty sampling", "IGNORE_SKIPPED", True, 1)
        and found.title == formats.title(project.config)
    )


def _place(parts: Parts, project: Project) -> Place | None:
    with reading(parts.database) as session:
        return label_studio.get(session, project.id)


def _find_or_make(parts: Parts, project: Project) -> Place:
    studio, place = parts.label_studio, _place(parts, project)
    if place is not None and place.base_url == studio.url:
        return place
    found = studio.find_project(_marker_of(project))
    if place is not None and found != place.ls_project_id:
        raise Conflict(
            f"This project's reviews are in the Label Studio at {place.base_url}, not in the one at {studio.url}. "
            "Set HARDCASE_LABEL_STUDIO_URL back, or restore its data there."
        )
    if found is None:
        found = studio.create_project(_settings(project))
    with transaction(parts.database) as session:
        label_studio.add(session, project.id, ls_project_id=found, base_url=studio.url, now=parts.now())
        label_studio.note(session, project.id, base_url=studio.url)
    made = _place(parts, project)
    assert made is not None
    return made


def _correct_project(parts: Parts, project: Project, place: Place, found: StudioProject) -> None:
    wanted = _settings(project, place)
    written = formats.config_hash(wanted.title, wanted.label_config, wanted.instructions)
    if place.config_hash == written and _is_as_written(project, found):
        return
    parts.label_studio.write_project(place.ls_project_id, wanted)
    with transaction(parts.database) as session:
        label_studio.note(session, project.id, config_hash=written)


def _correct_webhook(parts: Parts, project: Project, place: Place) -> None:
    secret = secret_of(parts.settings.secret.get_secret_value(), project.id)
    url, headers = f"{parts.settings.address}{path_of(project.id)}", {HEADER: secret}
    studio = parts.label_studio
    ours = [hook for hook in studio.webhooks(place.ls_project_id) if hook.url.endswith(path_of(project.id))]
    wanted = (url, headers, set(ACTIONS), True)
    try:
        if ours:
            hook, webhook_id = ours[0], ours[0].id
            if (hook.url, hook.headers, set(hook.actions), hook.is_active) != wanted:
                studio.write_webhook(webhook_id, url, headers, ACTIONS)
        else:
            webhook_id = studio.create_webhook(place.ls_project_id, url, headers, ACTIONS)
    except Invalid as error:
        log.warning("Label Studio does not take our webhook; answers come by the sweep alone", reason=str(error))
        return
    if (place.webhook_id, place.webhook_digest) != (webhook_id, digest_of(secret)):
        with transaction(parts.database) as session:
            label_studio.note(session, project.id, webhook_id=webhook_id, webhook_secret=digest_of(secret))


def _settings(project: Project, place: Place | None = None) -> ProjectSettings:
    """The settings to write; a project that was taken over keeps its names and the rest of its description."""
    controls = OURS if place is None else controls_of(place)
    return ProjectSettings(
        title=formats.title(project.config),
        marker="" if place is not None and place.controls is not None else _marker_of(project),
        label_config=formats.labelling_config(project.config, controls),
        instructions=formats.instructions(project.config),
    )

"""Makes reviews of tasks that were taken over, and writes the key of each review into its task.

In: noted tasks whose images are there. Out: one review a task, whose task in Label Studio is that task. Our rows are
written first, then Label Studio, so after a kill in between it is written again; annotations and drafts stay.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from db.repositories.images import adopted_tasks
from db.repositories.images.adopted_tasks import Ready
from db.repositories.queries import queries
from db.repositories.queries.queries import NewQuery, NewReview
from db.repositories.reviews import label_studio, overlaps, reviews
from db.repositories.reviews.label_studio import Place
from db.session import reading, transaction
from db.views import dashboard
from labeling.adapters.label_studio.client import StudioTask
from labeling.errors import NotFound
from labeling.jobs import Trigger
from labeling.types import Actor, ImageId, ProjectId, ReviewKind
from service.label_studio.adopted_tasks import KEPT, controls_of
from service.work.review.image_urls import task_data_of
from service.work.wiring import Parts

STRATEGY = "adopted"
REASON = "people had this task already"
AUTHOR = "adopt"


def adopt_batch(parts: Parts, project_id: ProjectId, size: int = 50) -> dict[str, int]:
    """Give the next tasks their reviews; `left` is 1 while more wait. An image stands once in a batch."""
    with reading(parts.database) as session:
        place = label_studio.get(session, project_id)
        found = adopted_tasks.ready(session, project_id, size + 1)
    if place is None or not found:
        return {"done": 0, "failed": 0, "left": 0}
    batch = _one_an_image(found[:size])
    there = {task.id: task for task in parts.label_studio.tasks(place.ls_project_id, [one.ls_task_id for one in batch])}
    parts.failpoint("adopt.before_write")
    tokens = _write(parts, place, [one for one in batch if one.ls_task_id in there], there)
    parts.failpoint("adopt.before_tell")
    for task_id, token in tokens.items():
        _write_key(parts, place, there[task_id], token)
    parts.failpoint("adopt.after_tell")
    gone = [one.ls_task_id for one in batch if one.ls_task_id not in there]
    with transaction(parts.database) as session:
        adopted_tasks.taken(session, project_id, [*tokens, *gone], parts.now())
        label_studio.next_revision(session, project_id)  # they need a place in the order
    return {"done": len(tokens), "failed": len(gone), "left": int(len(found) > len(batch))}


def _one_an_image(found: Sequence[Ready]) -> list[Ready]:
    first: dict[ImageId, Ready] = {}
    for one in found:
        first.setdefault(one.image_id, one)
    return list(first.values())


def _write(parts: Parts, place: Place, batch: Sequence[Ready], there: Mapping[int, StudioTask]) -> dict[int, str]:
    """The key of each task's review, made where there is none yet, with all that is known of it."""
    new = {secrets.token_urlsafe(24): one for one in batch if one.token is None}
    with transaction(parts.database) as session:
        _ask(session, place.project_id, new, parts)
        made = reviews.by_token(session, place.project_id, list(new))
        pushed = {review.id: new[token].ls_task_id for token, review in made.items()}
        reviews.record_pushes(session, pushed, ls_project_id=place.ls_project_id, now=parts.now())
        viewed = [review for review, task_id in pushed.items() if there[task_id].begun]
        dashboard.mark_viewed(session, dict.fromkeys(viewed, parts.now()))
        wanted = {made[token].id: one.people for token, one in new.items() if token in made and one.people > 1}
        by = Actor(AUTHOR, "so many were wanted before it was taken over", parts.now())
        overlaps.want(session, wanted, by)
    tokens = {one.ls_task_id: one.token for one in batch if one.token is not None}
    return tokens | {new[token].ls_task_id: token for token in made}


def _ask(session: Session, project_id: ProjectId, new: Mapping[str, Ready], parts: Parts) -> None:
    """One query about tasks that people have already: they are no random draw, so they may only train."""
    query = NewQuery(
        project_id=project_id,
        number=queries.next_number(session, project_id),
        strategy=STRATEGY,
        seed=0,
        version_id=None,
        pool_size=len(new),
        trigger=Trigger.HAND,
    )
    asked = [
        NewReview(one.image_id, ReviewKind.HARD, False, 1.0, rank / len(new), token, None, reason=REASON)
        for rank, (token, one) in enumerate(new.items())
    ]
    queries.add_query(session, query, asked, parts.now(), standing=True)


def _write_key(parts: Parts, place: Place, task: StudioTask, token: str) -> None:
    """Put our key and our address into the task's data; what stood there is kept beside it."""
    if task.token == token:
        return
    controls = controls_of(place)
    ours = task_data_of(parts, token, controls)
    if controls.text_key in task.data:
        ours.pop(controls.text_key)
    kept = {f"{KEPT}{name}": task.data[name] for name in ours if name in task.data}
    try:
        parts.label_studio.set_task_data(task.id, {**kept, **task.data, **ours})
    except NotFound:
        return  # the next full sweep ends its review

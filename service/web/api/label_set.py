"""The label set: its classes and versions, what a change would do, and the change."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from db.repositories.projects import projects
from db.session import reading, transaction
from labeling.types import Actor
from service.labels.label_set import Effect, change_label_set, preview, words_of
from service.projects.history import label_sets
from service.projects.label_operations import LabelChangeIn
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["label set"])


class LabelSetOut(BaseModel):
    """The classes in the order of every probability, and each version of the label set, the newest first."""

    label_set: int
    classes: list[str]
    versions: list[dict[str, Any]]


class ChangeIn(LabelChangeIn):
    """One change, why, and the version of the label set that it was decided on (null: whichever is in force)."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]
    label_set: Annotated[int, Field(ge=1, lt=2**31)] | None = None


class EffectOut(BaseModel):
    """What a change does, or did: as a document, and in words."""

    effect: dict[str, Any]
    words: list[str]


@router.get("/api/projects/{project}/label-set", summary="Show the classes and every version of the label set")
def show_label_set(parts: PartsDep, project: ProjectDep) -> LabelSetOut:
    with reading(parts.database) as session:
        versions = label_sets(projects.history(session, project.id))
    config = project.config
    return LabelSetOut(label_set=config.label_set, classes=list(config.classes), versions=versions)


@router.post("/api/projects/{project}/label-set/preview", summary="Say what a change of the label set would do")
def preview_change(parts: PartsDep, project: ProjectDep, body: LabelChangeIn) -> EffectOut:
    with reading(parts.database) as session:
        return _out(preview(session, project, body.to_operation()), done=False)


@router.post("/api/projects/{project}/label-set", summary="Add, rename, merge, split or retire classes")
def change(parts: PartsDep, caller: CallerDep, project: ProjectDep, body: ChangeIn) -> EffectOut:
    """409 where `label_set` is not the version in force, and for a name that is taken or meant something else."""
    by = Actor(caller.name, body.reason, parts.now())
    with transaction(parts.database) as session:
        found = change_label_set(session, parts.jobs, project.id, body.to_operation(), by, body.label_set)
    return _out(found, done=True)


def _out(effect: Effect, *, done: bool) -> EffectOut:
    return EffectOut(effect=effect.document, words=words_of(effect, done=done))

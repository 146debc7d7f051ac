"""The labels of a project as a list, to correct one of them or up to fifty at once; other pages link here.

In: filters, or the numbers of images. Out: images with their label in force, its author and reason. A correction needs
a reason, and a confirmation where it is about several images. Everything works without scripts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, BeforeValidator, Field
from sqlalchemy.orm import Session

from db.paging import Slice
from db.repositories.people import annotators
from db.repositories.people.annotators import Annotator
from db.session import reading, transaction
from db.views import label_list, listings
from db.views.label_list import Listed, Wanted
from labeling.answers import is_unsure
from labeling.errors import Invalid, NotFound
from labeling.jobs import Role
from labeling.project import Project
from labeling.types import ISSUES, Actor, ImageId, LabelSource, ReviewKind
from service.auth import Caller
from service.labels import undecided
from service.labels.corrections import AT_ONCE, ask_people, correct
from service.projects.pseudonyms import shown_name
from service.web.api.images import Issue
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.login import CheckedForm
from service.web.pages.rendering import page
from service.web.wiring import PartsDep, WebParts

router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)

_Empty = BeforeValidator(lambda value: value or None)  # a form sends an empty field as an empty text
Text = Annotated[str, Field(max_length=200)]
Number = Annotated[Annotated[int, Field(ge=1, lt=2**62)] | None, _Empty]
Deed = Literal["correct", "take back", "ask"]
_DONE = {"correct": "got a label by you", "take back": "had your decision taken back", "ask": "will be asked again"}


class Filters(BaseModel):
    """The filters of the list; an empty field does not filter."""

    label: Annotated[Text | None, _Empty] = None
    source: Annotated[LabelSource | None, _Empty] = None
    kind: Annotated[ReviewKind | None, _Empty] = None
    annotator: Number = None
    disputed: bool = False
    undecided: bool = False
    issue: Annotated[Issue | None, _Empty] = None
    text: Text = ""

    def query(self, **more: object) -> str:
        """As the query part of an address."""
        chosen = self.model_dump(mode="json", exclude_defaults=True) | more
        return urlencode({name: value for name, value in chosen.items() if value is not None})


FiltersDep = Annotated[Filters, Depends()]
_ImageId = Annotated[ImageId, Field(ge=1, lt=2**62)]
ImageIds = Annotated[list[_ImageId], Query(max_length=AT_ONCE)]


@router.get("/projects/{project}/labels", summary="The labels in force")
def show_labels(
    request: Request,
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    filters: FiltersDep,
    image: ImageIds = [],  # noqa: B006 - FastAPI copies it
    task: Number = None,
    after: Number = None,
    done: Deed | None = None,
    n: Annotated[int, Query(ge=0, le=AT_ONCE)] = 0,
) -> Response:
    """The labels that match the filters, newest first, or those of the images that another page named."""
    if task is not None:
        return _to_task(parts, project, task)
    with reading(parts.database) as session:
        found = _found(session, caller, project, filters, image, after)
        shown = [] if caller.may(Role.ENGINEER) else [item.image_id for item in found.items]
        hidden = label_list.blind_and_open(session, shown)
        people = annotators.everyone(session, project.id)
        doubted = undecided.listed(session, project, among=[item.image_id for item in found.items])
    return page(
        request,
        "labels.html",
        project=project,
        found=found.items,
        hidden=hidden,
        filters=filters,
        named=bool(image),
        older=filters.query(after=found.next_after) if found.next_after else None,
        newest=filters.query() if after else None,
        choices=_choices(project, people),
        author_of=lambda item: _author_of(project, item),
        doubts={one.image_id: one.words for one in reversed(doubted)},
        answers=project.config.answers.choices,
        done=_DONE[done] if done else None,
        n=n,
        back=urlencode([("image", number) for number in image]) if image else filters.query(),
    )


@router.post("/projects/{project}/labels", summary="Correct labels, or ask people again", dependencies=[CheckedForm])
def change_labels(
    request: Request,
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    deed: Annotated[Deed, Form()] = "correct",
    image: Annotated[list[_ImageId], Form()] = [],  # noqa: B006
    label: Annotated[str, Form(max_length=200)] = "",
    reason: Annotated[str, Form(max_length=500)] = "",
    confirmed: Annotated[bool, Form()] = False,
    back: Annotated[str, Form(max_length=2_000)] = "",
) -> Response:
    """One image is done at once; several are shown again first, to be confirmed."""
    ticked = _of_project(parts, project, image)
    back = urlencode(parse_qsl(back))
    if len(ticked) > 1 and not confirmed:
        _check_words(project, deed, label, reason)
        values = {"deed": deed, "label": label, "reason": reason, "back": back}
        return page(request, "confirm.html", project=project, ticked=ticked, is_unsure=is_unsure, values=values)
    chosen = [item.image_id for item in ticked]
    with transaction(parts.database) as session:
        by = Actor(caller.name, reason, parts.now())
        if deed == "ask":
            asked = ask_people(session, parts.jobs, project, chosen, by)
            count = asked.another + asked.new
        else:
            count = correct(session, parts.jobs, project, chosen, label if deed == "correct" else None, by)
    query = urlencode([*parse_qsl(back), ("done", deed), ("n", count)])
    return RedirectResponse(f"/projects/{project.id}/labels?{query}", status_code=303)


def _found(
    session: Session, caller: Caller, project: Project, filters: Filters, image_ids: list[ImageId], after: int | None
) -> Slice[Listed]:
    if image_ids:
        return Slice(label_list.of_images(session, project.id, image_ids), None)
    if filters.issue:  # of labelled images and others alike, so that people can be asked about them
        with_issue = listings.images(session, project.id, after=after, limit=AT_ONCE, issue=filters.issue)
        image_ids = [ImageId(item.id) for item in with_issue.items]
        return Slice(label_list.of_images(session, project.id, image_ids), with_issue.next_after)
    chosen = dict(filters) | {"text": filters.text.strip()}
    chosen.pop("issue")
    wanted = Wanted(annotator_id=chosen.pop("annotator"), withheld=not caller.may(Role.ENGINEER), **chosen)
    return label_list.standing(session, project, wanted, after=after, limit=AT_ONCE)


def _of_project(parts: WebParts, project: Project, image_ids: list[ImageId]) -> list[Listed]:
    with reading(parts.database) as session:
        found = label_list.of_images(session, project.id, image_ids[: AT_ONCE + 1])
    if not 1 <= len(found) <= AT_ONCE:
        raise Invalid(f"Tick between one and {AT_ONCE} images, then choose what to do with them.")
    return found


def _check_words(project: Project, deed: Deed, label: str, reason: str) -> None:
    if deed == "correct" and not project.config.answers.is_choice(label):
        raise Invalid("Choose a label first. Go back and take one from the list.")
    if not reason.strip():
        raise Invalid("Say why, in a few words: it is kept with the label.")


def _to_task(parts: WebParts, project: Project, task: int) -> Response:
    with reading(parts.database) as session:
        image = label_list.of_task(session, project.id, task)
    if image is None:
        raise NotFound("This project has no such task in Label Studio.")
    return RedirectResponse(f"/projects/{project.id}/images/{image}", status_code=303)


def _choices(project: Project, people: Sequence[Annotator]) -> dict[str, list[tuple[object, str]]]:
    """The values that each filter may have, with their names."""
    return {
        "label": [(name, name) for name in project.config.answers.labels],
        "source": [(source.value, source.value) for source in LabelSource],
        "kind": [(kind.value, kind.value) for kind in ReviewKind],
        "issue": [(name, name.replace("_", " ")) for name in ISSUES],
        "annotator": [(one.id, shown_name(project, one.id, one.name)) for one in people],
    }


def _author_of(project: Project, item: Listed) -> str:
    """The author of a label: the annotators by name or pseudonym, or the lead who decided."""
    if item.decided or not item.people:
        return item.author
    return ", ".join(shown_name(project, number, name) for number, name in item.people)

"""The random stream of a project: which share of the groups is reserved, who was drawn, and what was decided of them.

A group is *reserved* while its position is under the share in force, and for good once the stream has drawn it: no
strategy picks from it and nothing is learnt from it. A group is *drawn* when a random review of it counts, *decided*
when the image that was asked about has a label by people, or a lead has said that nobody can tell.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.labels.labels import is_current_label
from db.repositories.reviews.reviews import CLOSING, has_ended, is_current
from db.rows import columns, count, fingerprint_of, in_parts, newest, read_all, rows_of
from db.session import insert_new
from db.tables import (
    AnnotationRow,
    DecisionRow,
    GroupMoveRow,
    GroupRow,
    ImageRow,
    ImportedSampleRow,
    LabelRow,
    PrelabelRow,
    QueryRow,
    ReserveRow,
    ReviewRow,
    ShadowPickRow,
)
from labeling.project import RESERVED
from labeling.types import Actor, AnnotationAction, Example, ImageId, LabelSource, ProjectId, QueryId, ReviewKind


@dataclass(frozen=True, slots=True)
class Stream:
    """The groups of the reserve and all that were ever drawn, in the order of their ids, each with its position.

    `asked`: those that people are asked about now, or have answered. `examples`: those of them that are decided, with
    the label of the image that was asked about. `moved`: those of `asked` into which every image that was asked about
    came afterwards, when groups became one or came apart.
    """

    positions: Mapping[int, float]
    share: float
    asked: frozenset[int]
    examples: Mapping[int, Example]
    moved: frozenset[int]


def share_in_force(session: Session, project_id: ProjectId) -> float:
    """The share of the groups that is reserved now."""
    newest_row = sa.select(ReserveRow.share).where(ReserveRow.project_id == project_id).order_by(ReserveRow.id.desc())
    share = session.scalar(newest_row.limit(1))
    return RESERVED if share is None else float(share)


def reserve(session: Session, project_id: ProjectId, share: float, groups: int, by: Actor) -> bool:
    """From now on this share is reserved; False where no more than that is reserved already."""
    if share >= share_in_force(session, project_id):
        return False
    session.add(
        ReserveRow(project_id=project_id, share=share, groups=groups, author=by.author, reason=by.reason, at=by.now)
    )
    session.flush()
    return True


def is_reserved(project_id: ProjectId, share: float, up_to_review: int | None = None) -> sa.ColumnElement[bool]:
    """The condition on `GroupRow` that it is reserved; with `up_to_review`, as far as drawing had gone then."""
    return sa.or_(GroupRow.position < share, was_drawn(project_id, up_to_review))


def was_drawn(project_id: ProjectId, up_to_review: int | None = None) -> sa.ColumnElement[bool]:
    """The condition on `GroupRow` that the stream has asked about it, whatever became of the review.

    One that was imported as part of a random sample counts as asked about, and one that has left the stream does not.
    """
    asked = (
        sa.select(ImageRow.group_id)
        .join(ReviewRow, ReviewRow.image_id == ImageRow.id)
        .where(ReviewRow.project_id == project_id, ReviewRow.kind == ReviewKind.RANDOM)
        .where(ImageRow.group_id.is_not(None))
    )
    if up_to_review is not None:
        asked = asked.where(ReviewRow.id <= up_to_review)
    imported = (
        sa.select(ImageRow.group_id)
        .join(ImportedSampleRow, ImportedSampleRow.image_id == ImageRow.id)
        .where(ImageRow.project_id == project_id, ImageRow.group_id.is_not(None))
    )
    drawn = sa.or_(GroupRow.id.in_(asked.correlate(None)), GroupRow.id.in_(imported.correlate(None)))
    return drawn & (GroupRow.position < 1)


def read_stream(session: Session, project_id: ProjectId) -> Stream:
    """What there is of the stream; the cost follows the reserve and what was drawn, not the project."""
    share = share_in_force(session, project_id)
    member = ImageRow.project_id == project_id, ImageRow.group_id == GroupRow.id  # both: so stands the index
    prelabelled = sa.exists().where(PrelabelRow.image_id == ImageRow.id, *member)
    waiting = sa.and_(GroupRow.position < share, prelabelled)
    rows = session.execute(
        sa.select(GroupRow.id, GroupRow.position)
        .where(GroupRow.project_id == project_id, sa.or_(waiting, was_drawn(project_id)))
        .order_by(GroupRow.id)
    )
    positions = {group: float(position) for group, position in rows}
    asked = frozenset(asked_groups(session, project_id))
    imported = {example.group_id: example for example in _imported(session, project_id)}
    examples = imported | {example.group_id: example for example in _decided(session, project_id)}
    moved = asked - _asked_in_turn(session, project_id) if _has_moves(session, project_id) else frozenset()
    return Stream(positions, share, asked, examples, moved)


def _has_moves(session: Session, project_id: ProjectId) -> bool:
    """Whether an image of the project ever came into another group."""
    return session.scalar(newest(GroupMoveRow.id, GroupMoveRow.project_id == project_id)) is not None


def _asked_in_turn(session: Session, project_id: ProjectId) -> frozenset[int]:
    """The groups of which an image was asked about, or came with an answer, when it was in them."""
    moved = sa.exists().where(GroupMoveRow.image_id == ImageRow.id)
    since = moved.where(GroupMoveRow.created_at >= ReviewRow.created_at)
    asked = session.scalars(_asked(project_id).where(~since).with_only_columns(ImageRow.group_id))
    imported = (
        sa.select(ImageRow.group_id)
        .join(ImportedSampleRow, ImportedSampleRow.image_id == ImageRow.id)
        .where(ImageRow.project_id == project_id, ImageRow.group_id.is_not(None), ~moved)
    )
    return frozenset(int(group) for group in (*asked, *session.scalars(imported)) if group)


def asked_groups(session: Session, project_id: ProjectId) -> set[int]:
    """The groups about which the stream asks, or has an answer; an imported sample has brought its answers."""
    asked = session.scalars(_asked(project_id).with_only_columns(ImageRow.group_id))
    return {int(group) for group in asked if group} | {one.group_id for one in _imported(session, project_id)}


def asked_images(session: Session, project_id: ProjectId, but: Collection[int]) -> list[ImageId]:
    """The images about which the stream asks, or has an answer, without those of some groups."""
    rows = session.execute(_asked(project_id).with_only_columns(ImageRow.id, ImageRow.group_id))
    return [ImageId(image) for image, group in rows if group not in but]


def _asked(project_id: ProjectId) -> sa.Select[*tuple[Any, ...]]:
    """Images about which the stream asks, or has an answer."""
    answer = AnnotationRow.review_id == ReviewRow.id, AnnotationRow.action == AnnotationAction.ANSWERED
    return (
        sa.select(ImageRow.id)
        .join(ReviewRow, ReviewRow.image_id == ImageRow.id)
        .where(ReviewRow.project_id == project_id, ReviewRow.kind == ReviewKind.RANDOM)
        .where(ImageRow.group_id.is_not(None), ~has_ended() | sa.exists().where(*answer, is_current()))
    )


def _decided(session: Session, project_id: ProjectId) -> list[Example]:
    """The images of the stream that people have decided since it asked about them, the oldest of a group last.

    Gold decides once its turn has come and somebody has answered. One that a lead found undecidable has the lead's
    "unsure" in place of a label: an error of every classifier.
    """
    said = sa.func.coalesce(LabelRow.value, DecisionRow.value)
    by_hand = LabelRow.review_id.is_(None) & (LabelRow.created_at >= ReviewRow.created_at)
    since = (LabelRow.source == LabelSource.PEOPLE) & ((LabelRow.review_id >= ReviewRow.id) | by_hand)
    answered = sa.exists().where(
        AnnotationRow.review_id == ReviewRow.id, AnnotationRow.action.in_(CLOSING), is_current()
    )
    as_gold = (LabelRow.source == LabelSource.GOLD) & answered
    ids = {"image_id": ImageRow.id, "label": said, "label_id": LabelRow.id}
    rows = session.execute(
        sa.select(*columns(Example, ImageRow, kind=sa.literal(ReviewKind.RANDOM.value), **ids))
        .select_from(LabelRow)
        .join(ImageRow, ImageRow.id == LabelRow.image_id)
        .join(ReviewRow, ReviewRow.image_id == ImageRow.id)
        .outerjoin(DecisionRow, DecisionRow.id == LabelRow.evidence["decision"].as_integer())
        .where(ReviewRow.kind == ReviewKind.RANDOM, since | as_gold)
        .where(LabelRow.project_id == project_id, said.is_not(None), is_current_label())
        .where(ImageRow.id.in_(_asked(project_id)))
        .order_by(ImageRow.id.desc())
    )
    return read_all(Example, rows)


def _imported(session: Session, project_id: ProjectId) -> list[Example]:
    """The images that were imported as a random sample and placed in the order, with the labels that stand now.

    One whose label was taken back is asked about in its turn.
    """
    fixed = {"kind": sa.literal(ReviewKind.RANDOM.value), "label": LabelRow.value, "label_id": LabelRow.id}
    rows = session.execute(
        sa.select(*columns(Example, ImageRow, image_id=ImageRow.id, **fixed))
        .join(ImportedSampleRow, ImportedSampleRow.image_id == ImageRow.id)
        .join(LabelRow, LabelRow.image_id == ImageRow.id)
        .where(ImageRow.project_id == project_id, ImageRow.group_id.is_not(None))
        .where(LabelRow.value.is_not(None), is_current_label())
        .order_by(ImageRow.id.desc())
    )
    return read_all(Example, rows)


def without_label(session: Session, image_ids: Sequence[ImageId], said: str) -> list[Example]:
    """Images of groups as examples of the stream with this in place of a label."""
    fixed = {"label": sa.literal(said), "kind": sa.literal(ReviewKind.RANDOM.value), "label_id": sa.literal(0)}
    query = sa.select(*columns(Example, ImageRow, image_id=ImageRow.id, **fixed)).where(ImageRow.group_id.is_not(None))
    return [
        one
        for some in in_parts(image_ids)
        for one in read_all(Example, session.execute(query.where(ImageRow.id.in_(some))))
    ]


def newest_group(session: Session, project_id: ProjectId) -> int:
    """The group that was founded last; 0 where there is none."""
    return session.scalar(sa.select(sa.func.max(GroupRow.id)).where(GroupRow.project_id == project_id)) or 0


def collections(session: Session, project_id: ProjectId) -> list[int]:
    """The newest group at each query, where it is known, rising."""
    groups = sa.select(QueryRow.newest_group).where(QueryRow.project_id == project_id)
    return sorted(group for group in session.scalars(groups.where(QueryRow.newest_group.is_not(None))) if group)


def count_groups(session: Session, project_id: ProjectId, until: int | None = None, *, after: int = 0) -> int:
    """How many groups the stream represents, those that left it aside; those `after` a group, and `until` another."""
    between = _between(after, until)
    return count(session, GroupRow, *_with_images(project_id), GroupRow.position < 1, *between)


def _with_images(project_id: ProjectId) -> list[sa.ColumnElement[bool]]:
    """The groups of a project but for those whose images all came into others: only a move empties one."""
    left = sa.select(GroupMoveRow.from_group_id).where(
        GroupMoveRow.project_id == project_id, ~sa.exists().where(ImageRow.group_id == GroupMoveRow.from_group_id)
    )
    return [GroupRow.project_id == project_id, GroupRow.id.not_in(left)]


def _between(after: int, until: int | None) -> list[sa.ColumnElement[bool]]:
    return [GroupRow.id > after, *([] if until is None else [GroupRow.id <= until])]


def founded_at(session: Session, group_id: int) -> datetime | None:
    """When a group was founded."""
    return session.scalar(sa.select(GroupRow.created_at).where(GroupRow.id == group_id))


def count_left(session: Session, project_id: ProjectId, until: int | None = None, *, after: int = 0) -> int:
    """How many groups nobody was asked about and no label is known of: what is left; some of them as `count_groups`.

    One that a certificate labelled is among them: the sample of what is left speaks of it, too.
    """
    between = _between(after, until)
    touched = sa.select(sa.func.count()).select_from(_touched(project_id, *between).subquery())
    return count(session, GroupRow, *_with_images(project_id), *between) - (session.scalar(touched) or 0)


def groups_left(session: Session, project_id: ProjectId) -> set[int]:
    """All groups that `count_left` counts."""
    every = session.scalars(sa.select(GroupRow.id).where(*_with_images(project_id)))
    return set(every) - set(session.scalars(_touched(project_id)))


def left_among(session: Session, project_id: ProjectId, groups: Sequence[int]) -> set[int]:
    """Those of these groups that `count_left` counts."""
    found: set[int] = set()
    for some in in_parts(groups):
        there = sa.select(GroupRow.id).where(*_with_images(project_id), GroupRow.id.in_(some))
        found |= set(session.scalars(there)) - set(session.scalars(_touched(project_id, GroupRow.id.in_(some))))
    return found


def _touched(project_id: ProjectId, *where: sa.ColumnElement[bool]) -> sa.CompoundSelect[tuple[int]]:
    """The groups that somebody was asked about, or of which a label is known that is not of a certificate."""
    member = sa.select(GroupRow.id).join(ImageRow, ImageRow.group_id == GroupRow.id)
    member = member.where(GroupRow.project_id == project_id, *where)
    labelled = member.join(LabelRow, LabelRow.image_id == ImageRow.id)
    return sa.union(
        member.join(ReviewRow, ReviewRow.image_id == ImageRow.id).where(ReviewRow.project_id == project_id),
        labelled.where(
            LabelRow.project_id == project_id,
            LabelRow.value.is_not(None),
            LabelRow.source != LabelSource.CERTIFICATE,
            is_current_label(),
        ),
    )


def answers_by_kind(session: Session, project_id: ProjectId) -> dict[str, int]:
    """How many answers of people there are that stand, by the kind of their review."""
    rows = session.execute(
        sa.select(ReviewRow.kind, sa.func.count())
        .join(AnnotationRow, AnnotationRow.review_id == ReviewRow.id)
        .where(ReviewRow.project_id == project_id, AnnotationRow.action == AnnotationAction.ANSWERED, is_current())
        .group_by(ReviewRow.kind)
    )
    return {str(kind): int(number) for kind, number in rows}


def shadow_picks(session: Session, project_id: ProjectId) -> set[int]:
    """The reserved groups that a strategy would have asked about."""
    of_project = sa.select(ShadowPickRow.group_id).join(QueryRow, QueryRow.id == ShadowPickRow.query_id)
    return set(session.scalars(of_project.where(QueryRow.project_id == project_id)))


def images_of(session: Session, project_id: ProjectId, group_ids: Iterable[int]) -> list[int]:
    """The images of these groups."""
    query = sa.select(ImageRow.id).where(ImageRow.project_id == project_id)
    return [image for (image,) in rows_of(session, query, ImageRow.group_id, group_ids)]


def add_shadow_picks(session: Session, query_id: QueryId, groups: Iterable[int], now: datetime) -> int:
    """Note that a query would have asked about these groups; one that is noted already stays."""
    return insert_new(session, ShadowPickRow, [{"group_id": int(g), "query_id": query_id, "at": now} for g in groups])


def fingerprint(session: Session, project_id: ProjectId) -> str:
    """A short text that changes when the reserve, the shadow picks or the imported samples do."""
    shadow, imported = (sa.select(sa.func.count()).select_from(one) for one in (ShadowPickRow, ImportedSampleRow))
    return fingerprint_of(session, newest(ReserveRow.id, ReserveRow.project_id == project_id), shadow, imported)

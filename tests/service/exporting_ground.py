"""A project with labels of every origin, and pictures in the store: what tests of exports and releases start from."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from PIL import Image
from sqlalchemy.orm import Session

from db.session import transaction
from db.tables import (
    AnnotationRow,
    AnnotatorRow,
    DecisionRow,
    FetchRow,
    GroupRow,
    ImageRow,
    LabelRow,
    PrelabelRow,
    QueryRow,
    RegistrationRow,
    ReviewRow,
    SoftLabelRow,
)
from labeling.adapters.storage.image_store import ImageStore
from labeling.project import Project
from tests.conftest import NOW

PEOPLE = {"anna": 1, "ben": 2, "cho": 3}


def picture(number: int) -> bytes:
    """A small PNG, another one for every number."""
    out = io.BytesIO()
    Image.new("RGB", (24, 16), (number * 37 % 256, number * 91 % 256, number % 256)).save(out, "PNG")
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class Ground:
    """A database with one project, to which a test adds labelled images."""

    database: sa.Engine
    project: Project
    home: Path

    @property
    def images(self) -> ImageStore:
        return ImageStore(str(self.home / "media"))

    def image(
        self,
        number: int,
        *,
        side: str | None = "pool",
        text: str | None = None,
        bridge: bool = False,
        stored: bool = True,
    ) -> int:
        """An image of its own group, with its picture in the store and a prelabel that says the second class."""
        data = picture(number)
        digest = sha256(data).hexdigest()
        if stored:
            self.images.keep(digest, data, "image/png", None)
        with transaction(self.database) as session:
            row = ImageRow(
                project_id=self.project.id, content_hash=digest, perceptual_hash="0" * 16, format="PNG", width=24,
                height=16, size_bytes=len(data), text=text, details={}, group_id=self._group(session, digest, side),
                bridge=bridge, fetched_at=NOW,
            )  # fmt: skip
            registration = RegistrationRow(
                project_id=self.project.id, reference=f"photos/{number}.png", address=f"/photos/{number}.png",
                text=text, details={}, fingerprint="1", known_label=None, registered_at=NOW,
            )  # fmt: skip
            session.add_all([row, registration])
            session.flush()
            session.add(FetchRow(registration_id=registration.id, image_id=row.id, fetched_at=NOW))
            session.add(
                PrelabelRow(
                    image_id=row.id,
                    engine="scripted",
                    revision="scripted-1",
                    probs=[0.2, 0.7, 0.1],
                    description="",
                    duration_s=0.0,
                    cost_micro=0,
                    created_at=NOW,
                )  # fmt: skip
            )
            return row.id

    def label(
        self, image: int, value: str | None, source: str = "import", *, evidence: Mapping[str, Any] | None = None,
        review: int | None = None, at: datetime = NOW,
    ) -> int:  # fmt: skip
        """A label that no review made, unless one is given."""
        with transaction(self.database) as session:
            row = LabelRow(
                project_id=self.project.id, image_id=image, value=value, source=source, review_id=review,
                evidence=dict(evidence or {}), author="test", reason="", created_at=at,
            )  # fmt: skip
            session.add(row)
            session.flush()
            return row.id

    def answered(
        self, image: int, answers: Mapping[str, str], value: str | None = None, *, kind: str = "hard",
        evidence: Mapping[str, Any] | None = None,
    ) -> int:  # fmt: skip
        """What these people answer of a review, and the label that rests on it; returns the label's id."""
        with transaction(self.database) as session:
            query = QueryRow(
                project_id=self.project.id, number=1_000 + image, strategy="margin", seed=0, version_id=None,
                pool_size=1, trigger="by hand", created_at=NOW,
            )  # fmt: skip
            session.add(query)
            session.flush()
            review = ReviewRow(
                project_id=self.project.id, image_id=image, query_id=query.id, kind=kind, blind=False,
                probability=1.0, place=0.5, token=f"token-{self.project.id}-{image}", created_at=NOW,
            )  # fmt: skip
            session.add(review)
            session.flush()
            found = [self._annotate(session, review.id, name, answer) for name, answer in answers.items()]
            review_id = review.id
        said = value or next(iter(answers.values()))
        return self.label(image, said, "people", review=review_id, evidence={"annotations": found, **(evidence or {})})

    def decided(self, image: int, value: str, author: str, kind: str = "correction") -> int:
        """A lead's decision and the label that follows."""
        with transaction(self.database) as session:
            row = DecisionRow(
                project_id=self.project.id, image_id=image, value=value, kind=kind, author=author, reason="", at=NOW
            )
            session.add(row)
            session.flush()
            decision = row.id
        return self.label(image, value, "people", evidence={"decision": decision, "kind": kind})

    def soft(self, image: int, probs: Mapping[str, float], annotations: list[int]) -> None:
        """What the newest consensus makes of these annotations."""
        best = max(probs, key=probs.__getitem__)
        with transaction(self.database) as session:
            session.add(
                SoftLabelRow(
                    image_id=image,
                    project_id=self.project.id,
                    method="dawid-skene",
                    value=best,
                    confidence=probs[best],
                    probs=dict(probs),
                    annotations=annotations,
                    computed_at=NOW,
                )  # fmt: skip
            )

    def _group(self, session: Session, founder: str, side: str | None) -> int | None:
        if side is None:
            return None
        group = GroupRow(project_id=self.project.id, founder_hash=founder, side=side, created_at=NOW)
        session.add(group)
        session.flush()
        return group.id

    def _annotate(self, session: Session, review: int, name: str, answer: str) -> int:
        user = PEOPLE[name]
        annotator = session.scalar(
            sa.select(AnnotatorRow).where(AnnotatorRow.project_id == self.project.id, AnnotatorRow.ls_user_id == user)
        )
        if annotator is None:
            annotator = AnnotatorRow(project_id=self.project.id, ls_user_id=user, name=name)
            session.add(annotator)
            session.flush()
        row = AnnotationRow(
            review_id=review, annotator_id=annotator.id, ls_annotation_id=review * 10 + user,
            unique_id=f"{review}-{name}", action="answered", answers=[answer], result_hash=answer, shown=None,
            accepted=None, lead_time_s=1.0, updated_at=NOW, recorded_at=NOW,
        )  # fmt: skip
        session.add(row)
        session.flush()
        return row.id

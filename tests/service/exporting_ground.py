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
from labeling.adapters.storage.image_store import ImageStore
from labeling.project import Project
from tests import factories
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
        reserved: bool | None = False,
        text: str | None = None,
        stored: bool = True,
    ) -> int:
        """An image of its own group, with its picture in the store and a prelabel that says the second class."""
        data = picture(number)
        digest = sha256(data).hexdigest()
        if stored:
            self.images.keep(digest, data, "image/png", None)
        with transaction(self.database) as session:
            size = {"width": 24, "height": 16, "size_bytes": len(data)}
            of = self.project.id
            image = factories.image(session, of, digest, reserved=reserved, text=text, **size)
            name = factories.registration(session, of, f"photos/{number}.png", text=text, fingerprint="1")
            factories.fetch(session, name, image)
            factories.prelabel(session, image, [0.2, 0.7, 0.1], engine="scripted", revision="scripted-1")
            return image

    def label(
        self, image: int, value: str | None, source: str = "import", *, evidence: Mapping[str, Any] | None = None,
        review: int | None = None, at: datetime = NOW,
    ) -> int:  # fmt: skip
        """A label that no review made, unless one is given."""
        with transaction(self.database) as session:
            more = {"evidence": dict(evidence or {}), "created_at": at}
            return factories.label(session, self.project.id, image, value, source, review, **more)

    def answered(
        self, image: int, answers: Mapping[str, str], value: str | None = None, *, kind: str = "hard",
        evidence: Mapping[str, Any] | None = None,
    ) -> int:  # fmt: skip
        """What these people answer of a review, and the label that rests on it; returns the label's id."""
        with transaction(self.database) as session:
            query = factories.query(session, self.project.id, 1_000 + image)
            review = factories.review(session, self.project.id, image, kind, query_id=query, place=0.5)
            found = [self._annotate(session, review, name, answer) for name, answer in answers.items()]
        said = value or next(iter(answers.values()))
        return self.label(image, said, "people", review=review, evidence={"annotations": found, **(evidence or {})})

    def decided(self, image: int, value: str, author: str, kind: str = "correction") -> int:
        """A lead's decision and the label that follows."""
        with transaction(self.database) as session:
            decision = factories.decision(session, self.project.id, image, value, author, kind)
        return self.label(image, value, "people", evidence={"decision": decision, "kind": kind})

    def soft(self, image: int, probs: Mapping[str, float], annotations: list[int]) -> None:
        """What the newest consensus makes of these annotations."""
        with transaction(self.database) as session:
            factories.soft_label(session, self.project.id, image, probs, annotations)

    def _annotate(self, session: Session, review: int, name: str, answer: str) -> int:
        person = factories.annotator(session, self.project.id, name, ls_user_id=PEOPLE[name])
        return factories.annotation(session, review, answer, annotator_id=person)

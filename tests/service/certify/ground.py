"""A project with a target: images that a version can tell apart, answers of the stream, and the step that certifies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.certificates import certificates
from db.repositories.certificates.certificates import Certificate
from db.repositories.deletions import images as deleted_images
from db.repositories.labels import labels
from db.repositories.labels.labels import Label
from db.repositories.projects import projects
from db.repositories.reviews.reviews import is_open
from db.session import reading, transaction
from db.tables import ReviewRow
from labeling.jobs import Trigger
from labeling.project import CertificateTerms, Policy, Shares
from labeling.types import UNSURE, Actor, ImageId, LabelSource, ReviewKind
from service.labels.resolution import resolve_labels
from service.work.certify.certify import certify, withdraw
from service.work.learn.learn import learn
from service.work.promote.judge import promote_by_hand
from service.work.promote.predict import predict
from service.work.select.query import choose_query
from tests import factories
from tests.factories import NOW
from tests.service.labelled_pool import Ground, answer

TERMS = CertificateTerms(precision=0.8, first_size=40, sizes=2, audit=0)
POLICY = Policy(query_size=40, low_water=5, learn_after_labels=12, certificate=TERMS, shares=Shares(0.5, 0.5))


@dataclass(frozen=True)
class Certifying:
    """What a test does in a project, step by step."""

    ground: Ground

    @property
    def id(self) -> int:
        return self.ground.project.id

    def until_certified(self) -> Certifying:
        """Play until one certificate stands."""
        self.certify()
        self.play(1)
        self.version()
        self.play(2)
        self.certify()
        return self

    def certify(self) -> dict[str, int]:
        return certify(self.ground.parts, self.ground.project.id)

    def withdraw(self) -> dict[str, int]:
        return withdraw(self.ground.parts, self.ground.project.id)

    def version(self) -> int:
        """Fit a version on the labels so far and put it in use."""
        number = learn(self.ground.parts, self.ground.project.id, Trigger.HAND)["version"]
        promote_by_hand(self.ground.parts, self.ground.project.id, number, "ann", "a test")
        predict(self.ground.parts, self.ground.project.id)
        return number

    def ask(self) -> list[ReviewRow]:
        """One more query; its reviews."""
        choose_query(self.ground.parts, self.ground.project.id, Trigger.HAND, force=True)
        with reading(self.ground.parts.database) as session:
            return list(session.scalars(sa.select(ReviewRow).where(is_open()).order_by(ReviewRow.id)))

    def answer(self, kind: ReviewKind | None = None, wrong: frozenset[int] = frozenset()) -> None:
        """People answer what is open, or what is open of a kind: with the truth, but for some images."""
        classes = self.ground.project.config.classes
        with transaction(self.ground.parts.database) as session:
            for review in session.scalars(sa.select(ReviewRow).where(is_open())).all():
                if kind is None or review.kind == kind:
                    shift = review.image_id in wrong
                    answer(session, review, classes[(self.ground.truth[review.image_id] + shift) % len(classes)])

    def play(self, queries: int) -> None:
        """So many queries, each answered with the truth."""
        for _ in range(queries):
            self.ask()
            self.answer()

    def answer_all_wrong(self) -> None:
        """Somebody changes every answer of the random stream to a wrong one."""
        classes = self.ground.project.config.classes
        with transaction(self.ground.parts.database) as session:
            for review in session.scalars(sa.select(ReviewRow).where(ReviewRow.kind == ReviewKind.RANDOM)).all():
                answer(session, review, classes[(self.ground.truth[review.image_id] + 1) % len(classes)], after=9)

    def resolve(self, session: Session, images: Sequence[int]) -> None:
        """Labels follow from the answers so far."""
        resolve_labels(session, self.ground.project, [ImageId(image) for image in images], self.ground.clock())

    def lead_decides(self, session: Session, image: int, value: str | None) -> None:
        """A lead says what it is; None: that nobody can tell."""
        factories.decision(session, self.id, image, value or UNSURE, "lea", "adjudicated")
        self.resolve(session, [image])

    def all(self) -> list[Certificate]:
        with reading(self.ground.parts.database) as session:
            return certificates.everyone(session, self.ground.project.id)

    def labels(self, source: LabelSource = LabelSource.CERTIFICATE) -> dict[ImageId, Label]:
        """The labels in force of a source."""
        with reading(self.ground.parts.database) as session:
            held = labels.current(session, self.ground.project.id)
        return {one.image_id: one for one in held if one.source is source}

    def wrong(self) -> float:
        """The share of the labels of certificates that are wrong."""
        classes, given = self.ground.project.config.classes, self.labels()
        return sum(classes[self.ground.truth[image]] != one.value for image, one in given.items()) / max(len(given), 1)

    def delete(self, image: ImageId) -> None:
        """Delete an image with all that points at it."""
        with transaction(self.ground.parts.database) as session:
            gone = deleted_images.gone_of(session, self.ground.project.id, [image])
            deleted_images.remove_images(session, self.ground.project.id, [image], gone)

    def configure(self, terms: CertificateTerms | None) -> None:
        """Put other terms into the project file."""
        with transaction(self.ground.parts.database) as session:
            project = projects.by_id(session, self.ground.project.id)
            config = replace(project.config, policy=replace(project.config.policy, certificate=terms))
            projects.configure(session, project.id, config, Actor("ann", "other terms", NOW))

"""Figures of a project as the worker would have stored them, for a release to freeze."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from db.session import transaction
from db.views import figures as kept
from labeling.estimates import Estimate
from labeling.project import Project
from service.figures.accuracy import AccuracyByVersion, Cell, Confusion, OneVersion
from service.figures.agreement import Agreement, Among, Annotator, OneClass, Pair, People
from service.figures.estimates import Known, estimate, exactly, known
from service.figures.figures import write
from service.figures.label_errors import LabelErrors, OnRandom, SentBack, Slice
from service.figures.label_quality import Coverage, Criterion, LabelQuality, RandomLabels, Suspects
from tests.service.quality_data import wrong_labels

HIDDEN = "someone@example.org"
UNKNOWN = known(Estimate(0.5, 0.2, 0.8, 3))
SENT_BACK = SentBack(images=1, waiting=0, changed=1)
SLICES = [Slice(by="folder", value="photos", labels=80, suspects=5)]


def sure(value: float, n: int) -> Known:
    return known(Estimate(value, value - 0.05, value + 0.04, n))


def store_figures(database: sa.Engine, project: Project, at: datetime) -> None:
    """The verdict, agreement, label errors, accuracy and confusion, as of a time."""
    classes = list(project.config.classes)
    champion = OneVersion(
        version=2, promoted=True, champion=True, **estimate(Estimate(0.83, 0.75, 0.89, 51), "accuracy")
    )
    counts = [Cell(truth=0, said=0, count=36), Cell(truth=0, said=1, count=4)]
    figures = [
        _agreement(classes),
        _label_quality(),
        LabelErrors(
            labels=80,
            found=5,
            found_right=2,
            sent_back=SENT_BACK,
            random=OnRandom(labels=0, found=0, corrected=0),
            classes=[],
            slices=SLICES,
            suspects=[],
            last_label_id=80,
            config_version=1,
        ),
        wrong_labels(Estimate(0.04, 0.02, 0.09, 60), wrong=6, corrected=5),
        AccuracyByVersion([champion]),
        Confusion(version=2, n=51, known=True, classes=classes, counts=counts),
    ]
    with transaction(database) as session:
        kept.keep(session, project.id, [write(figure) for figure in figures], "f", at)


def _agreement(classes: list[str]) -> Agreement:
    people = Among(images=64, people=3, observed=sure(0.9, 64), fleiss=sure(0.84, 64), alpha=sure(0.85, 64))
    few = Among(images=3, people=2, observed=UNKNOWN, fleiss=UNKNOWN, alpha=UNKNOWN)
    hidden = Annotator(1, HIDDEN)
    return Agreement(
        people=People(all=people, blind=few, anchored=people),
        classes=[OneClass(name, sure(0.8, 40)) for name in classes],
        pairs=[Pair(first=hidden, second=hidden, same=UNKNOWN, kappa=UNKNOWN, disagreements=[])],
        confusion=[],
        engines=[],
    )


def _label_quality() -> LabelQuality:
    accuracy = known(Estimate(0.83, 0.78, 0.87, 51))
    return LabelQuality(
        verdict="not yet",
        words="Not yet: some criteria are missed.",
        in_the_way=["accuracy"],
        criteria=[
            _criterion("accuracy", "How often right", "share", accuracy, 0.8, "not yet known", "version 2"),
            _criterion(
                "agreement", "How far people agree", "index", UNKNOWN, 0.667, "not yet known", "needs 30 images"
            ),
            _criterion("alarms", "Open alarms", "count", exactly(2, 80), 0, "missed", "", at_least=False),
            _criterion("gold", "Right on gold", "share", None, None, "for information", "there is no gold"),
        ],
        coverage=Coverage(images=80, labelled=80),
        sources=[],
        classes=[],
        slices=SLICES,
        random=RandomLabels(version=2, labels=0, suspected=0, corrected=0),
        suspects=Suspects(waiting=5, found_right=2, sent_back=SENT_BACK),
    )


def _criterion(
    name: str,
    title: str,
    unit: str,
    figure: Known | None,
    target: float | None,
    state: str,
    why: str,
    *,
    at_least: bool = True,
) -> Criterion:
    return Criterion(
        name=name,
        title=title,
        unit=unit,
        where="",
        figure=figure,
        target=target,
        at_least=at_least,
        state=state,
        why=why,
    )

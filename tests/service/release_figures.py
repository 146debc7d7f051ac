"""Figures of a project as the worker would have stored them, for a release to freeze."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from db.session import transaction
from labeling.project import Project
from tests import factories

HIDDEN = "someone@example.org"


def known(value: float, n: int) -> dict[str, object]:
    return {"known": True, "n": n, "value": value, "lower": value - 0.05, "upper": value + 0.04}


UNKNOWN = {"known": False, "n": 3, "value": None, "lower": None, "upper": None}


def store_figures(database: sa.Engine, project: Project, at: datetime) -> None:
    """The verdict, agreement, label errors, hold-out and confusion, as of a time."""
    people = {
        "images": 64,
        "people": 3,
        "observed": known(0.9, 64),
        "fleiss": known(0.84, 64),
        "alpha": known(0.85, 64),
    }
    few = {"images": 3, "people": 2, "observed": UNKNOWN, "fleiss": UNKNOWN, "alpha": UNKNOWN}
    classes = list(project.config.classes)
    figures: dict[str, dict[str, object]] = {
        "agreement": {
            "people": {"all": people, "blind": few, "anchored": people},
            "classes": [{"label": name, "alpha": known(0.8, 40)} for name in classes],
            "pairs": [{"first": {"id": 1, "name": HIDDEN}}],
            "confusion": [],
            "engines": [],
        },
        "label_quality": {
            "verdict": "not yet",
            "words": "Not yet: some criteria are missed.",
            "criteria": [
                {"name": "holdout", "title": "How often right", "unit": "share", "where": "", "figure": known(0.83, 51),
                 "target": 0.8, "at_least": True, "state": "not yet known", "why": "version 2"},
                {"name": "agreement", "title": "How far people agree", "unit": "index", "where": "", "figure": UNKNOWN,
                 "target": 0.667, "at_least": True, "state": "not yet known", "why": "needs 30 images"},
                {"name": "alarms", "title": "Open alarms", "unit": "count", "where": "", "target": 0, "at_least": False,
                 "figure": {"known": True, "n": 80, "value": 2, "lower": None, "upper": None}, "state": "missed",
                 "why": ""},
                {"name": "gold", "title": "Right on gold", "unit": "share", "where": "", "figure": None, "target": None,
                 "at_least": True, "state": "told", "why": "there is no gold"},
            ],
        },
        "label_errors": {
            "labels": 80, "rate": known(0.06, 80), "found": 5, "found_right": 2,
            "sent_back": {"images": 1, "waiting": 0, "changed": 1}, "holdout": {}, "classes": [], "suspects": [],
            "slices": [{"by": "folder", "value": "photos", "labels": 80, "suspects": 5}],
        },
        "holdout_by_version": {
            "versions": [
                {"version": 2, "promoted": True, "champion": True, "known": True, "n": 51, "accuracy": 0.83,
                 "lower": 0.75, "upper": 0.89}
            ]
        },
        "confusion": {
            "version": 2, "n": 51, "known": True, "classes": classes,
            "counts": [{"truth": 0, "said": 0, "count": 36}, {"truth": 0, "said": 1, "count": 4}],
        },
    }  # fmt: skip
    with transaction(database) as session:
        for name, data in figures.items():
            factories.figure(session, project.id, name, data, at=at)

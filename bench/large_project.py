"""A project as large as one gets here, written straight into a database: what the benchmark of the pages looks at.

In: a migrated, empty database and a number of images. Out: one project with images, near-duplicates, pre-labels of two
engines, predictions, reviews, answers with their versions, decisions, labels and consensus. The same seed writes the
same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa

from db.repositories.projects import projects
from db.session import transaction
from db.tables import (
    AnnotationRow,
    AnnotatorRow,
    DecisionRow,
    FetchRow,
    GroupRow,
    ImageRow,
    LabelRow,
    LabelStudioProjectRow,
    OverlapRow,
    PredictionRow,
    PrelabelRow,
    PromotionRow,
    PushRow,
    QueryRow,
    RegistrationRow,
    ReserveRow,
    ReviewRow,
    SoftLabelRow,
    VersionRow,
    ViewRow,
)
from labeling.project import LabelClass, Policy, Project, ProjectConfig
from labeling.types import ReviewKind

__all__ = ["ANNOTATORS", "CLASSES", "build", "content_hash", "true_classes"]

START = datetime(2026, 1, 1, tzinfo=UTC)
CLASSES = tuple(f"kind {number:02d}" for number in range(20))
ANNOTATORS = 12
QUERY_SIZE = 50
VERSIONS = 40
KINDS = ((ReviewKind.HARD, 0.93), (ReviewKind.AUDIT, 0.02), (ReviewKind.RELABEL, 0.04), (ReviewKind.GOLD, 0.01))
"""The kinds of seven reviews of eight; the eighth is of the random stream, in its order, and has a label."""
RESERVED = 0.04
BATCH = 5_000
Row = dict[str, Any]


def build(database: sa.Engine, images: int, seed: int = 0) -> Project:
    """Write it: `images` images, 30 % of them asked about and 40 % more with an imported label."""
    rng = np.random.default_rng(seed)
    config = ProjectConfig("large", tuple(LabelClass(name) for name in CLASSES), policy=Policy())
    with transaction(database) as session:
        project = projects.create(session, config, salt="salt", author="bench", now=START)
    truth = true_classes(images, rng)
    asked = np.sort(rng.permutation(images)[: images * 3 // 10]) + 1
    tables: list[tuple[type[Any], Iterator[Row]]] = [
        (RegistrationRow, _registrations(images)),
        (GroupRow, _groups(images, asked, rng)),
        (ReserveRow, iter([_reserve(images)])),
        (ImageRow, _images(images)),
        (FetchRow, ({"registration_id": i, "image_id": i, "fetched_at": START} for i in _ids(images))),
        (PrelabelRow, _prelabels(images, truth, rng)),
        (VersionRow, _versions()),
        (PromotionRow, _promotions()),
        (QueryRow, _queries(len(asked), images)),
        (ReviewRow, _reviews(asked, rng)),
        (PushRow, _pushes(len(asked))),
        (ViewRow, ({"review_id": i, "at": START} for i in _ids(len(asked) * 9 // 10))),
        (OverlapRow, _overlaps(len(asked))),
        (AnnotatorRow, _annotators()),
        (PredictionRow, _predictions(asked, truth, rng)),
        (LabelStudioProjectRow, iter([_place()])),
    ]
    for table, rows in tables:
        _write(database, table, rows)
    answers = list(_annotations(asked, truth, rng))
    _write(database, AnnotationRow, iter(answers))
    _write(database, DecisionRow, _decisions(asked, truth))
    _write(database, LabelRow, _labels(images, asked, truth, answers))
    _write(database, SoftLabelRow, _soft_labels(asked, truth))
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE" if database.dialect.name == "postgresql" else "PRAGMA optimize")
    return project


def true_classes(images: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """The class (N,) of every image: the first that `build` draws of its seed."""
    return rng.integers(0, len(CLASSES), images)


def content_hash(i: int) -> str:
    """The hash of the image with this id."""
    return f"{i:064x}"


def _write(database: sa.Engine, table: type[Any], rows: Iterator[Row]) -> None:
    batch: list[Row] = []
    with transaction(database) as session:
        for row in rows:
            batch.append(row)
            if len(batch) == BATCH:
                session.connection().execute(sa.insert(table.__table__), batch)
                batch = []
        if batch:
            session.connection().execute(sa.insert(table.__table__), batch)
        if database.dialect.name == "postgresql" and "id" in table.__table__.c:
            name = table.__tablename__
            session.execute(
                sa.text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM {name}))")
            )


def _ids(n: int) -> range:
    return range(1, n + 1)


def _at(i: int) -> datetime:
    return START + timedelta(seconds=37 * i)


def _registrations(n: int) -> Iterator[Row]:
    for i in _ids(n):
        yield {
            "id": i, "project_id": 1, "source_id": None, "reference": f"site-{i % 7}/2026/{i % 365:03d}/{i:07d}.jpg",
            "revision": 0, "address": f"/data/{i:07d}.jpg", "fingerprint": f"{i:x}", "text": _text(i),
            "details": {"camera": i % 9, "line": f"L{i % 4}"}, "known_label": None, "gold": False,
            "registered_at": _at(i),
        }  # fmt: skip


def _text(i: int) -> str | None:
    return None if i % 3 else f"Seen at gate {i % 11} by the operator on duty, batch {i // 100}."


def _groups(n: int, asked: np.ndarray[Any, Any], rng: np.random.Generator) -> Iterator[Row]:
    """Nine of ten images found a group of their own; the tenth joins the one before it (`_group_of`)."""
    positions = RESERVED + (1 - RESERVED) * rng.random(n + 1)
    drawn = [_group_of(image) for review, image in enumerate(asked.tolist(), 1) if _is_random(review)]
    positions[drawn] = RESERVED * np.linspace(0, 1, len(drawn), endpoint=False)
    for i in _ids(n):
        if i % 10:
            yield {
                "id": i,
                "project_id": 1,
                "founder_hash": content_hash(i),
                "position": float(positions[i]),
                "created_at": _at(i),
            }


def _reserve(images: int) -> Row:
    by = {"author": "policy", "reason": "planned", "at": START}
    return {"id": 1, "project_id": 1, "share": RESERVED, "groups": images * 9 // 10, **by}


def _is_random(review: int) -> bool:
    return review % 8 == 3


def _group_of(i: int) -> int:
    return i if i % 10 else i - 1


def _images(n: int) -> Iterator[Row]:
    for i in _ids(n):
        yield {
            "id": i, "project_id": 1, "content_hash": content_hash(i), "format": "JPEG",
            "width": 1280, "height": 960, "size_bytes": 240_000, "text": _text(i), "details": {"camera": i % 9},
            "group_id": _group_of(i), "fetched_at": _at(i),
        }  # fmt: skip


def _probs(k: int, rng: np.random.Generator) -> list[float]:
    made = rng.dirichlet(np.ones(len(CLASSES)) * 0.2) * 0.5
    made[k] += 0.5
    return [round(float(p), 4) for p in made]


def _prelabels(n: int, truth: np.ndarray[Any, Any], rng: np.random.Generator) -> Iterator[Row]:
    """One of the first engine for every image, one of the second for every fifth."""
    spread = [_probs(k, rng) for k in range(len(CLASSES))]
    for i in _ids(n):
        yield _prelabel(i, "bundled", spread[int(truth[i - 1])])
        if i % 5 == 1:
            yield _prelabel(i, "few-shot", spread[int(truth[i - 1])])


def _prelabel(image: int, engine: str, probs: list[float]) -> Row:
    return {
        "image_id": image, "engine": engine, "revision": f"{engine}-1", "probs": probs, "description": "",
        "duration_s": 0.02, "cost_micro": 0, "outcome": "label", "answer": None,
        "evidence": {"reason": "nearest of its class"}, "created_at": _at(image),
    }  # fmt: skip


def _versions() -> Iterator[Row]:
    for i in _ids(VERSIONS):
        counted = {"random_labels": 100 + i, "examples": 100 * i, "engine_revision": "bundled-1"}
        report = {"accuracy": 0.5 + i / 100, "accuracy_interval": [0.4 + i / 100, 0.6 + i / 100]}
        yield {
            "id": i, "project_id": 1, "number": i, "path": f"versions/{i}", "card_hash": "c", "snapshot_hash": "s",
            "last_label_id": i * 100, "report": {**report, **counted},
            "trigger": "answered", "created_at": _at(i * 1_000),
        }  # fmt: skip


def _promotions() -> Iterator[Row]:
    for i in _ids(VERSIONS):
        yield {
            "id": i, "project_id": 1, "version_id": i, "champion_id": i - 1 or None, "verdict": "promoted",
            "reasons": ["gain 1.2 points"], "report": {}, "trigger": "learned", "author": "the gate",
            "created_at": _at(i * 1_000 + 10),
        }  # fmt: skip


def _queries(asked: int, images: int) -> Iterator[Row]:
    for i in _ids(-(-asked // QUERY_SIZE)):
        yield {
            "id": i, "project_id": 1, "number": i, "strategy": "margin", "seed": i,
            "version_id": min(i // 20, VERSIONS) or None, "pool_size": 50_000, "newest_group": images,
            "why": "", "trigger": "promoted",
            "created_at": _at(i * 50),
        }  # fmt: skip


def _reviews(asked: np.ndarray[Any, Any], rng: np.random.Generator) -> Iterator[Row]:
    kinds = rng.choice([kind.value for kind, _ in KINDS], len(asked), p=[share for _, share in KINDS])
    for i, image in enumerate(asked.tolist(), 1):
        kind = ReviewKind.RANDOM.value if _is_random(i) else str(kinds[i - 1])
        yield {
            "id": i, "project_id": 1, "image_id": image, "query_id": (i - 1) // QUERY_SIZE + 1, "kind": kind,
            "asked_as": None, "blind": kind in ("random", "audit"), "probability": 1.0, "place": (i * 0.37) % 1,
            "token": f"token-{i}", "created_at": _at(i),
        }  # fmt: skip


def _pushes(n: int) -> Iterator[Row]:
    for i in _ids(n):
        yield {"review_id": i, "ls_task_id": 1_000 + i, "ls_project_id": 7, "people": 1, "pushed_at": _at(i + 5)}


def _overlaps(n: int) -> Iterator[Row]:
    for i in range(10, n + 1, 10):
        yield {"id": i // 10, "review_id": i, "people": 2, "reason": "in doubt", "author": "the policy", "at": _at(i)}


def _annotators() -> Iterator[Row]:
    for i in _ids(ANNOTATORS):
        yield {"id": i, "project_id": 1, "ls_user_id": i, "name": f"person-{i}@example.com"}


def _predictions(asked: np.ndarray[Any, Any], truth: np.ndarray[Any, Any], rng: np.random.Generator) -> Iterator[Row]:
    spread = [_probs(k, rng) for k in range(len(CLASSES))]
    for version in (VERSIONS - 1, VERSIONS):
        for image in asked.tolist():
            yield {
                "image_id": image, "version_id": version, "probs": spread[int(truth[image - 1])], "asked_in": None,
                "created_at": _at(image),
            }  # fmt: skip


def _place() -> Row:
    return {
        "project_id": 1, "ls_project_id": 7, "base_url": "http://127.0.0.1:8321", "config_hash": "", "webhook_id": 1,
        "webhook_secret": "none", "queue_revision": 1, "model_version": "1", "swept_until": START, "controls": None,
        "created_at": START,
    }  # fmt: skip


def _annotations(asked: np.ndarray[Any, Any], truth: np.ndarray[Any, Any], rng: np.random.Generator) -> Iterator[Row]:
    """Nine of ten reviews are answered, one in ten by two people, one in thirty changed, one in fifty skipped."""
    wrong, number = rng.random(len(asked) + 1) < 0.08, 0
    for review, image in enumerate(asked.tolist()[: len(asked) * 9 // 10], 1):
        for person in range(2 if review % 10 == 0 else 1):
            for version in range(2 if review % 30 == 0 else 1):
                number += 1
                off = 1 if wrong[review] and not (version or person) else 0
                yield _annotation(number, review, person, version, CLASSES[(int(truth[image - 1]) + off) % 20])


def _annotation(number: int, review: int, person: int, version: int, answer: str) -> Row:
    skipped, annotator = review % 50 == 0, (review + person) % ANNOTATORS + 1
    return {
        "id": number, "review_id": review, "annotator_id": annotator, "ls_annotation_id": review * 10 + person,
        "unique_id": f"7:{review * 10 + person}", "action": "skipped" if skipped else "answered",
        "answers": [] if skipped else [answer], "result_hash": f"{number:x}", "shown": answer,
        "accepted": True, "lead_time_s": 4.0 + review % 9, "paused": False,
        "updated_at": _at(review + 60 + version), "recorded_at": _at(review + 61 + version),
    }  # fmt: skip


def _decisions(asked: np.ndarray[Any, Any], truth: np.ndarray[Any, Any]) -> Iterator[Row]:
    for i, image in enumerate(asked.tolist()[::100], 1):
        yield {
            "id": i, "project_id": 1, "image_id": image, "value": CLASSES[int(truth[image - 1])],
            "kind": "correction", "author": "lead", "reason": "seen to be wrong", "at": _at(image + 90_000),
        }  # fmt: skip


def _labels(images: int, asked: np.ndarray[Any, Any], truth: np.ndarray[Any, Any], answers: list[Row]) -> Iterator[Row]:
    known, number = set(asked.tolist()), 0
    for image in _ids(images):
        if image not in known and image % 2:
            number += 1
            yield _label(number, image, CLASSES[int(truth[image - 1])], "import", None, {}, "import")
    for answer in answers:
        image = int(asked[answer["review_id"] - 1])
        if answer["answers"]:
            number += 1
            disputed = answer["review_id"] % 70 == 0
            reason = "people disagree: a lead must decide" if disputed else "answered"
            value, evidence = (None if disputed else answer["answers"][0]), {"annotations": [answer["id"]]}
            yield _label(number, image, value, "people", answer["review_id"], evidence, "annotators", reason)
    for i, image in enumerate(asked.tolist()[::100], 1):
        number += 1
        yield _label(number, image, CLASSES[int(truth[image - 1])], "people", None, {"decision": i}, "lead", "wrong")


def _label(
    number: int, image: int, value: str | None, source: str, review: int | None, evidence: Row, author: str,
    reason: str = "",
) -> Row:  # fmt: skip
    return {
        "id": number, "project_id": 1, "image_id": image, "value": value, "source": source, "review_id": review,
        "evidence": evidence, "author": author, "reason": reason, "created_at": _at(number),
    }  # fmt: skip


def _soft_labels(asked: np.ndarray[Any, Any], truth: np.ndarray[Any, Any]) -> Iterator[Row]:
    for image in asked.tolist()[: len(asked) * 9 // 10]:
        value = CLASSES[int(truth[image - 1])]
        yield {
            "image_id": image, "project_id": 1, "method": "majority", "value": value, "confidence": 0.9,
            "probs": {value: 0.9}, "annotations": [], "computed_at": START,
        }  # fmt: skip

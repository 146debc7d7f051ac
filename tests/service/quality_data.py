"""A project whose quality page has everything on it: tally, figures, failures and a place in Label Studio."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from PIL import Image

from db.repositories.running import failures, heartbeats
from db.session import transaction
from labeling.adapters.storage.image_store import ImageStore
from labeling.estimates import Estimate
from labeling.project import Project
from service.figures.estimates import known
from service.figures.wrong_labels import ShareOfWrongLabels
from tests import factories
from tests.factories import NOW


def picture(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (160, 120), colour).save(out, "PNG")
    return out.getvalue()


def share(value: float | None, n: int, name: str = "accuracy") -> dict[str, object]:
    if value is None:
        return {"known": False, "n": n, name: None, "lower": None, "upper": None}
    return {"known": True, "n": n, name: value, "lower": value - 0.08, "upper": min(1.0, value + 0.06)}


def wrong_labels(share: Estimate | None, **more: Any) -> ShareOfWrongLabels:
    """What the worker would say of wrong labels: nothing yet, or this share of 400 labels by 60 re-reviews."""
    known_share = known(share)
    counts: dict[str, Any] = {"wrong": 4, "corrected": 0, "open": 0, "labels": 400, "as_of": NOW.isoformat()}
    if share is None:
        counts = {"wrong": 0, "corrected": 0, "open": 0, "labels": 400, "as_of": None}
    width = None if share is None else round(share.upper - share.lower, 4)
    counts |= {"at_least": None, "doubled": 0, "asked": 60, "waiting": 0, "wanted": 60, "would_tell": 98, "more": 30}
    counts |= {"width_now": width, "width_then": 0.06, "given": known_share, "share": known_share}
    return ShareOfWrongLabels(**{**counts, **more})


def fill(database: sa.Engine, project: Project, images: ImageStore) -> None:
    """Store what the worker would have stored."""
    classes = list(project.config.classes)
    hashes = []
    for colour in ("tomato", "steelblue", "gold", "seagreen", "orchid"):
        data = picture(colour)
        hashes.append(sha256(data).hexdigest())
        images.keep(hashes[-1], data, "image/png", None)
    with transaction(database) as session:
        factories.tally(session, project.id, tally())
        for name, data in figures(classes, hashes).items():
            factories.figure(session, project.id, name, data)
        factories.label_studio_project(session, project.id)
        failures.record(session, project.id, "fetch", "12", "The file is cut short: 12 of 4,096 bytes.", True, NOW)
        failures.record(session, project.id, "job:learn", "1", "The worker ran out of memory.", False, NOW)
        heartbeats.beat(session, "worker-0", NOW, datetime.now(UTC), {"fetched": 512})


def tally() -> dict[str, object]:
    sources = {"people": 171, "certificate": 0, "gold": 6, "import": 31}
    return {
        "registered": 520,
        "gone": 2,
        "quarantined": 1,
        "fetched": 512,
        "prelabelled": 508,
        "ready": 508,
        "pool": 384,
        "reserved": 124,
        "groups": 470,
        "asked": 200,
        "open": 22,
        "answered": 174,
        "skipped": 4,
        "labelled": 208,
        "labels_by_source": sources,
    }


def figures(classes: list[str], hashes: list[str]) -> dict[str, dict[str, object]]:
    version = {"promoted": True, "champion": False}
    images = [
        {
            "image_id": 40 + i,
            "content_hash": content_hash,
            "review_id": i + 1,
            "kind": "hard",
            "ls_task_id": 900 + i if i else None,
            "doubt": 0.9 - i / 10,
            "prelabel": {"label": classes[i % len(classes)], "probability": 0.41},
            "champion": {"label": classes[(i + 1) % len(classes)], "probability": 0.52} if i != 3 else None,
            "answer": classes[(i + 1) % len(classes)] if i < 4 else None,
        }
        for i, content_hash in enumerate(hashes)
    ]
    rounds = [
        {
            "version": number,
            "at": NOW.isoformat(),
            "labels_by_people": labels,
            "random_labels": n,
            "calibrated_by": "temperature",
            "calibrated_on": n,
            **share(value, n),
            "promoted": verdict == "promoted",
            "verdict": verdict,
            "reasons": [reason],
            "triggers": ["answered", "learned"],
        }
        for number, labels, n, value, verdict, reason in (
            (1, 48, 12, None, "promoted", "the first version"),
            (2, 96, 34, 0.71, "promoted", "gain 4.1 points, lower bound -0.4"),
            (3, 140, 51, 0.83, "promoted", "gain 12.0 points, lower bound +6.2"),
            (4, 171, 60, 0.82, "refused", "gain -1.0 points"),
        )
    ]
    return {
        "accuracy_by_version": {
            "versions": [
                {"version": 1, **version, **share(None, 12)},
                {"version": 2, **version, **share(0.71, 34)},
                {"version": 3, "promoted": True, "champion": True, **share(0.83, 51)},
                {"version": 4, "promoted": False, "champion": False, **share(0.82, 60)},
            ]
        },
        "confusion": {
            "version": 3,
            "n": 51,
            "known": True,
            "classes": classes,
            "counts": [
                {"truth": 0, "said": 0, "count": 20},
                {"truth": 1, "said": 1, "count": 22},
                {"truth": 0, "said": 1, "count": 6},
                {"truth": None, "said": 2, "count": 3},
            ],
        },
        "acceptance": {
            "all": {"label": "all", "shown": 110, "kept": 79, **share(0.718, 110, "share")},
            "classes": [
                {"label": classes[0], "shown": 60, "kept": 51, **share(0.85, 60, "share")},
                {"label": classes[1], "shown": 50, "kept": 28, **share(0.56, 50, "share")},
                {"label": classes[2], "shown": 0, "kept": 0, **share(None, 0, "share")},
            ],
        },
        "hardest": {"images": images},
        "labels_by_source": {"sources": tally()["labels_by_source"]},
        "rounds": {"rounds": rounds},
        "machine_labels": machine_labels(classes),
        "random_stream": random_stream(),
        "random_arm": random_arm(),
    }


def random_stream() -> dict[str, object]:
    groups = {"share": 0.26, "reserved": 124, "answered": 60, "waiting": 2, "left": 62, "rests_on": 51, "undecided": 1}
    whole = {"groups": 470, "as_of": NOW.isoformat(), "newcomers": 12, "shadow_picks": 30}
    answers = {"answers": 63, "answers_in_all": 174, "left_over": 290}
    measured = {
        name: share(value, n, "value")
        for name, value, n in (
            ("on_collection", 0.83, 51),
            ("on_newcomers", None, 4),
            ("on_everything", 0.82, 55),
            ("on_what_is_left", 0.88, 51),
        )
    }
    return {**groups, **whole, **answers, **measured}


def random_arm() -> dict[str, object]:
    arm = [{"labels": labels, "accuracy": share(value, 51, "value")} for labels, value in ((20, 0.6), (45, 0.7))]
    ours = [{"version": 3, "labels": 140, "accuracy": share(0.83, 51, "value")}]
    saved = {"known": True, "n": 51, "value": 2.1, "lower": 1.2, "upper": None}
    difference = {**share(0.11, 51, "value"), "lower": 0.03}
    counted = {"difference": difference, "pays": "pays", "saved": saved, "acted": "", "made_of": "the test"}
    return {"rests_on": 51, "arm": arm, "ours": ours, **counted}


def machine_labels(classes: list[str]) -> dict[str, object]:
    thresholds = [
        {"score": score, "images": images, "n": n, "right": right, **known}
        for score, images, n, right, known in (
            (0.93, 60, 18, 18, {"known": False, "precision": None, "lower": None, "upper": None}),
            (0.71, 180, 41, 39, {"known": True, "precision": 0.943, "lower": 0.809, "upper": 0.997}),
            (0.34, 300, 51, 42, {"known": True, "precision": 0.818, "lower": 0.654, "upper": 0.936}),
        )
    ]
    sure = [{"image_id": image, "probability": 1 - image / 20, "score": 1 - image / 20} for image in range(1, 11)]
    named = [{"label": label, "images": 100, "surest": sure[:5], "least_sure": sure[:4:-1]} for label in classes]
    waiting = [{"image_id": 9, "why": "its near-duplicate group is not known yet"}]
    counts = {"version": 3, "labelled": 208, "rest": 300, "waiting": 4}
    return {**counts, "first_waiting": waiting, "thresholds": thresholds, "classes": named}

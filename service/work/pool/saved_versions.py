"""Saved classifiers on disk: staged, placed and loaded, always checked against the version row that names them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from db.repositories.versions.versions import Version
from labeling.adapters.storage.atomic_files import read_files
from labeling.errors import BadArtifact
from labeling.learn.artifacts import CARD, WEIGHTS, Card, unpack
from labeling.learn.classifier import Classifier
from labeling.types import ProjectId
from service.work.pool.pool import EnginePin

__all__ = ["check_files", "folder_of", "hash_of_card", "load_classifier", "pin_of_card"]


def folder_of(project_id: ProjectId, number: int) -> str:
    """Where a version's files lie, relative to `home`.

    >>> folder_of(ProjectId(1), 3)
    'models/1/3'
    """
    return f"models/{project_id}/{number}"


def hash_of_card(card: bytes) -> str:
    """What a version row remembers of its card; the card in turn names the hash of the weights."""
    return hashlib.sha256(card).hexdigest()


def load_classifier(home: Path, version: Version) -> tuple[Classifier, Card]:
    """Read a version's classifier; BadArtifact when its files are not those that were saved."""
    return unpack(_read(home, version))


def check_files(home: Path, version: Version) -> None:
    """BadArtifact unless both files are those that were saved; no classifier is made of them."""
    files = _read(home, version)
    if hashlib.sha256(files.get(WEIGHTS, b"")).hexdigest() != json.loads(files[CARD])["weights_sha256"]:
        raise BadArtifact(f"The weights of version {version.number} in {version.path} are missing or were changed.")


def _read(home: Path, version: Version) -> dict[str, bytes]:
    files = read_files(home / version.path, (WEIGHTS, CARD))
    if hash_of_card(files.get(CARD, b"")) != version.card_hash:
        raise BadArtifact(
            f"The card of version {version.number} in {version.path} is missing or was changed. "
            "Restore the folder from a backup, or run `hardcase learn`."
        )
    return files


def pin_of_card(card: Card) -> EnginePin:
    """The engine revision and encoders that this classifier's features come from."""
    facts = card.facts
    return EnginePin(facts.engine_revision, facts.image_encoder, facts.text_encoder, facts.classes)

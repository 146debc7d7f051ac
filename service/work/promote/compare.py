"""Compares two versions: the paired test on what the gate would use, and the images that change their class.

In: a project and two versions. Out: a comparison, computed in blocks of images. Nothing is predicted for later: what a
version predicts that is not the champion is not stored. While a certificate is to be tried, the random stream is not
read, and no image of its reserve is named.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from db.repositories.certificates import certificates
from db.repositories.engines import reports
from db.repositories.projects import projects
from db.repositories.versions import predictions, versions
from db.repositories.versions.versions import Version
from db.session import reading, transaction
from labeling.adapters.storage.prediction_files import Predictions, map_predictions
from labeling.errors import BadArtifact, HardcaseError, NotFound
from labeling.label_sets.columns import columns_of
from labeling.learn.classifier import Classifier
from labeling.learn.training import predict_probs
from labeling.project import Project
from labeling.promote.flips import Answers, Flips, find_flips
from labeling.promote.judgement import Sample, sample_for
from labeling.promote.paired_test import PairedTest, paired_test
from labeling.slices import slices
from labeling.types import Example, ProjectId
from service.figures.estimates import Json
from service.jobs.arguments import CompareArguments
from service.labels.machine_labels import ChampionLabels
from service.logs import get_logger
from service.projects.version_comparison import (
    KIND,
    Between,
    Flip,
    FlippedImage,
    VersionComparison,
    two_versions,
)
from service.work.pool.pool import Pool
from service.work.pool.random_stream import read_sample
from service.work.pool.saved_versions import load_classifier
from service.work.promote.sides import on_stream, on_training, pool_of_version
from service.work.wiring import Parts

__all__ = ["answer", "compare", "keep"]

log = get_logger(__name__)

IMAGES_A_BLOCK = 8_192
DIGITS = 6


def answer(parts: Parts, project_id: ProjectId, wanted: CompareArguments) -> dict[str, int]:
    """The job: compare the two versions and keep the result; returns its id.

    After an error the error message is kept, and the job has succeeded: it is not tried again.
    """
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        first, second = two_versions(session, project_id, wanted.first or None, wanted.second or None)
    try:
        result = msgspec.to_builtins(compare(parts, project, first, second, limit=wanted.limit))
    except HardcaseError as error:
        result = {"error": error.message}
    return {"report": keep(parts, project, (first, second), result, wanted.asked_by)}


def keep(parts: Parts, project: Project, pair: tuple[int, int], result: Json, asked_by: str) -> int:
    """Keep a comparison of these two versions; returns its id."""
    request = {"first": pair[0], "second": pair[1]}
    with transaction(parts.database) as session:
        return reports.record(
            session, project.id, KIND, request=request, result=result, asked_by=asked_by, now=parts.now()
        )


def compare(parts: Parts, project: Project, first: int, second: int, *, limit: int) -> VersionComparison:
    """Compare the versions of these numbers; at most `limit` of the images that change are named."""
    with reading(parts.database) as session:
        pair = _Pair(*(versions.by_number(session, project.id, number) for number in (first, second)))
        certifies = certificates.is_to_be_tried(session, project.id)
        sample = read_sample(session, project)
    basis, test, images = _tested(parts, project, pair, sample.examples, certifies=certifies)
    order = sample.order
    reserved = order.ids[order.drawn | (order.positions < sample.share)] if certifies else np.empty(0, np.int64)
    flips, hashes = _flips(parts, project, pair, reserved, limit)
    short = f"there are {images} {basis}, and {project.config.policy.gate.min_labels} are needed."
    return VersionComparison(
        first=first,
        second=second,
        measure=project.config.policy.gate.measure,
        basis=basis.value,
        from_stream=basis is Sample.STREAM,
        test=None if test is None else _between(test),
        why=short if test is None else "",
        pool=flips.images,
        flipped=int(flips.counts.sum()),
        flips=_by_class(flips.counts, project.config.classes),
        images=_images(flips.kept, hashes, project.config.classes),
        unlisted=flips.unlisted,
    )


@dataclass(frozen=True, slots=True)
class _Pair:
    """The two versions; the later one is the gate's candidate."""

    first: Version
    second: Version

    @property
    def by_age(self) -> tuple[Version, Version]:
        """The later one, then the earlier one."""
        later = self.first.number > self.second.number
        return (self.first, self.second) if later else (self.second, self.first)


def _tested(
    parts: Parts, project: Project, pair: _Pair, examples: tuple[Example, ...], *, certifies: bool
) -> tuple[Sample, PairedTest | None, int]:
    """What carries the test, as a verdict of the gate; the test; and on how many images. The first minus the second."""
    later, earlier = pair.by_age
    rng = np.random.default_rng([project.config.policy.seed, later.number])  # as the gate's verdict about it
    sides, groups = None, None
    if not certifies:
        sides = on_stream(parts, project, later, earlier, examples)
    basis = sample_for(len(sides.truth) if sides else 0, certifies=certifies)
    if sides is None or basis is Sample.TRAINING:
        sides, groups = on_training(parts, project, later, earlier)
    first, second = (sides.ours, sides.theirs) if later is pair.first else (sides.theirs, sides.ours)
    test = paired_test(first, second, sides.truth, project.config.policy.gate, rng, groups=groups)
    return basis, test, len(sides.truth)


def _between(test: PairedTest) -> Between:
    power = test.power
    return Between(
        images=test.images,
        difference=round(test.difference, DIGITS),
        lower=round(test.lower, DIGITS),
        upper=round(test.upper, DIGITS),
        better=test.better,
        worse=test.worse,
        p_value=test.p_value,
        passes=power.passes if power else None,
        fails=power.fails if power else None,
        slips=power.slips if power else None,
    )


def _flips(
    parts: Parts, project: Project, pair: _Pair, reserved: NDArray[np.int64], limit: int
) -> tuple[Flips, dict[int, str]]:
    """The flipped images of all that both predict, and the content hashes of those that are kept."""
    first, second = (_says(parts, project, version) for version in (pair.first, pair.second))
    images = np.intersect1d(first.pool.image_ids, second.pool.image_ids, assume_unique=True)
    blocks = (_answers(first, second, images[some], reserved) for some in slices(len(images), IMAGES_A_BLOCK))
    flips = find_flips(blocks, len(project.config.classes), limit)
    rows = first.pool.rows_of(flips.kept.ids).tolist()
    return flips, {
        image: first.pool.content_hash(row) for image, row in zip(flips.kept.ids.tolist(), rows, strict=True)
    }


@dataclass(frozen=True, slots=True)
class _Says:
    """What a version predicts: as it was stored where it was, else computed from the pool."""

    version: Version
    classifier: Classifier
    pool: Pool
    stored: Predictions | None
    columns: NDArray[np.float64] | None
    """What brings its classes to those of now; None where they are the same."""

    def of(self, images: NDArray[np.int64]) -> ChampionLabels:
        """What it says of these images of its pool, at its fitted temperature, in the precision of a stored file."""
        probs = np.zeros((len(images), self.classifier.n_classes), np.float16)
        missing = np.ones(len(images), bool)
        if self.stored is not None and len(self.stored.image_ids):
            rows = np.minimum(np.searchsorted(self.stored.image_ids, images), len(self.stored.image_ids) - 1)
            missing = self.stored.image_ids[rows] != images
            probs[~missing] = self.stored.probs[rows[~missing]]
        if missing.any():
            rows = self.pool.rows_of(images[missing])
            probs[missing] = predict_probs(self.classifier, self.pool.inputs.take(rows))
        return ChampionLabels(self.version, self.version.created_at, images, probs, self.columns)


def _says(parts: Parts, project: Project, version: Version) -> _Says:
    classifier, _ = load_classifier(parts.settings.home, version)
    pool, columns = pool_of_version(parts, project, version), columns_of(version.classes, project.config)
    return _Says(version, classifier, pool, _stored(parts, version), columns)


def _stored(parts: Parts, version: Version) -> Predictions | None:
    """The file of one that is the champion, or was, mapped; None where there is none, or it is damaged."""
    with reading(parts.database) as session:
        file = predictions.prediction_file(session, version.id)
    try:
        return None if file is None else map_predictions(parts.settings.home, file.path, file.sha256)
    except (NotFound, BadArtifact) as error:
        log.warning("a version is predicted anew", version=version.number, reason=error.message)
        return None


def _answers(first: _Says, second: _Says, images: NDArray[np.int64], reserved: NDArray[np.int64]) -> Answers:
    one, other = (says.of(images).said(slice(None)) for says in (first, second))
    listed = ~np.isin(first.pool.group_ids[first.pool.rows_of(images)], reserved)
    return Answers(
        images,
        one.positions,
        other.positions,
        one.scores,
        other.scores,
        one.probabilities,
        other.probabilities,
        listed,
    )


def _by_class(counts: NDArray[np.int64], classes: tuple[str, ...]) -> list[Flip]:
    """All counts that are not zero, the largest first."""
    found = [Flip(classes[i], classes[j], int(counts[i, j])) for i, j in np.argwhere(counts).tolist()]
    return sorted(found, key=lambda one: -one.images)


def _images(kept: Answers, hashes: dict[int, str], classes: tuple[str, ...]) -> list[FlippedImage]:
    return [
        FlippedImage(
            image_id=int(kept.ids[at]),
            content_hash=hashes[int(kept.ids[at])],
            before=classes[int(kept.second[at])],
            before_probability=float(kept.second_shown[at]),
            after=classes[int(kept.first[at])],
            after_probability=float(kept.first_shown[at]),
        )
        for at in range(len(kept))
    ]

"""What the figures of a project's classifiers are counted from, read in one transaction.

In: a project. Out: its facts, or None while the figures that are kept rest on these very facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from db.repositories.projects import projects
from db.repositories.queries import stream
from db.repositories.versions import versions
from db.repositories.versions.versions import Promotion, Version
from db.session import reading
from db.views import figures, tallies
from db.views.figures import Asked
from labeling.label_sets.columns import columns_of, in_columns
from labeling.project import Project
from labeling.types import ImageId, ProjectId, VersionId
from service.engines.overview import work_of
from service.figures.engines import EngineReliability, EngineWork
from service.figures.estimates import Json
from service.figures.figures import OF_CLASSIFIERS, is_current
from service.figures.machine_labels import MachineLabels
from service.figures.random_stream import RandomStream
from service.work.figures.machine_labels import read_machine_labels
from service.work.figures.random_stream import read_random_stream
from service.work.figures.reliability import read_reliability
from service.work.pool.predictions import ImagePrediction, predictions_of_images
from service.work.pool.random_stream import Sample, read_sample
from service.work.wiring import Parts

__all__ = ["Facts", "read_facts"]

FORMAT = "7"
"""Part of the fingerprint: a release that computes a figure differently computes all of them again."""
LATELY = 1_000
"""So many reviews, the newest, are searched for the hardest images."""

Evidence = dict[VersionId, dict[int, list[float]]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the figures are computed from, read in one transaction."""

    project: Project
    fingerprint: str
    tally: Json
    sample: Sample
    stream: RandomStream
    versions: list[Version]
    verdicts: dict[VersionId, list[Promotion]]
    champion: Version | None
    judged: Evidence
    labels_at: list[int]
    shown: list[tuple[str, int, int]]
    asked: list[Asked]
    current: dict[ImageId, ImagePrediction]
    machine: MachineLabels
    reliability: EngineReliability
    work: EngineWork


def read_facts(parts: Parts, project_id: ProjectId) -> Facts | None:
    """None if the figures that are kept rest on these very facts, and are of today's form."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        facts = f"{tallies.fingerprint(session, project_id)}-{stream.fingerprint(session, project_id)}"
        fingerprint = f"{FORMAT}-{project.config_version}-{facts}"
        if is_current(session, project_id, fingerprint, *OF_CLASSIFIERS.values()):
            return None
        of_images, work = parts.memo.get(
            ("images and engines", project_id),
            tallies.fingerprint_of_images(session, project_id),
            lambda: (tallies.counts_of_images(session, project_id), work_of(session, project_id)),
        )
        sample = read_sample(session, project)
        everyone, champion = versions.everyone(session, project_id), versions.champion(session, project_id)
        verdicts: dict[VersionId, list[Promotion]] = {version.id: [] for version in everyone}
        for verdict in versions.promotions(session, project_id):
            verdicts[verdict.version_id].append(verdict)
        asked = figures.lately_asked(session, project_id, LATELY)
        judged = figures.evidence(session, [one.image_id for part in sample.cohorts for one in part.examples])
        judged = _in_label_set(judged, everyone, project)
        said = judged.get(champion.id, {}) if champion else {}
        return Facts(
            project=project,
            fingerprint=fingerprint,
            tally={**of_images, **tallies.counts_of_reviews(session, project_id)},
            sample=sample,
            stream=read_random_stream(session, project, sample, said),
            versions=everyone,
            verdicts=verdicts,
            champion=champion,
            judged=judged,
            labels_at=figures.people_labels_at(session, project_id, [v.last_label_id for v in everyone]),
            shown=figures.shown_and_kept(session, project_id),
            asked=asked,
            current=predictions_of_images(parts, project, [one.image_id for one in asked]),
            machine=read_machine_labels(parts, session, project, sample),
            reliability=read_reliability(session, project, sample.examples),
            work=work,
        )


def _in_label_set(judged: Evidence, everyone: Sequence[Version], project: Project) -> Evidence:
    """What each version predicted, in the classes of now."""
    columns = {one.id: columns_of(one.classes, project.config) for one in everyone}

    def now(version: VersionId, probs: list[float]) -> list[float]:
        found: list[float] = in_columns(np.array(probs), columns[version]).tolist()
        return found

    return {version: {image: now(version, probs) for image, probs in of.items()} for version, of in judged.items()}

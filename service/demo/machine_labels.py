"""Machine labels and the certificate at the end of a demo, beside the truth that a demo knows.

In: the figure as the worker counts it, what certificates accepted, and the true classes. Out: for each threshold the
bound that the page shows and the share that is really right; the promise, and the precision that it came to. It only
reads.
"""

from __future__ import annotations

import numpy as np

from db.repositories.certificates import certificates
from db.repositories.queries import stream
from db.session import reading
from db.views.project_stats import labelled_images
from service.demo.annotators import SimulatedAnswers
from service.demo.look_back import Past
from service.demo.summary import Certified, MachineThreshold
from service.labels.certificates import read_certificates
from service.labels.machine_labels import champion_labels
from service.work.figures.machine_labels import read_machine_labels
from service.work.pool.random_stream import read_sample
from service.work.wiring import Parts

__all__ = ["compare_certificate", "compare_machine_labels"]


def compare_certificate(parts: Parts, past: Past, people: SimulatedAnswers) -> Certified:
    """What the certificate that stands accepted, else the last one that was tried; what is true of it."""
    terms = past.project.config.policy.certificate
    assert terms is not None  # the demo's own project file
    with reading(parts.database) as session:
        state = read_certificates(session, past.project)
        shown = state.standing or next(iter(state.attempts), None)
        accepted = certificates.accepted_of(session, shown.id) if shown else []
    right = [one.value == people.true(past.named[one.image_id].reference) for one in accepted]
    said = state.sentence if state.standing or shown is None else shown.why or f"it ended: {shown.ended}"
    return Certified(
        promise=terms.words,
        precision=terms.precision or 0.0,
        confidence=terms.confidence,
        tried=shown is not None,
        stands=state.standing is not None,
        size=shown.size if shown else 0,
        sampled=shown.sampled if shown else 0,
        wrong=shown.errors if shown else 0,
        accepted=len(accepted),
        true_precision=round(sum(right) / len(right), 4) if right else None,
        words=said if shown or state.due is None else f"{said} {state.due.words}",
    )


def compare_machine_labels(parts: Parts, past: Past, people: SimulatedAnswers) -> tuple[MachineThreshold, ...]:
    """Every threshold of the champion, the strictest first; none without a champion."""
    project, classes = past.project, past.project.config.classes
    with reading(parts.database) as session:
        figure = read_machine_labels(parts, session, project, read_sample(session, project))
        if figure.version is None:
            return ()
        champion = champion_labels(session, parts.settings.home, project.id)
        shadows = stream.images_of(session, project.id, stream.shadow_picks(session, project.id))
        aside = [*labelled_images(session, project.id, certified=False), *shadows]
        rows = np.flatnonzero(~np.isin(champion.image_ids, aside))
    if not len(rows):
        return ()
    said = champion.said(rows)
    images = champion.image_ids[rows].tolist()
    true = [classes.index(people.true(past.named[image].reference)) for image in images]
    right = said.positions == np.array(true, np.int64)
    return tuple(
        MachineThreshold(
            one.score, one.images, one.n, one.lower, round(float(right[said.scores >= one.score].mean()), 4)
        )
        for one in figure.thresholds
    )

"""What is measured of a finished demo: wrong labels, the certificate, savings, and queries drawn again.

In: its rows and figures, and the true classes. Out: what hardcase says of it, and what is really so. It only reads.
"""

from __future__ import annotations

from db.repositories.certificates import certificates
from db.repositories.labels import labels
from db.repositories.queries import bases
from db.repositories.reviews import re_reviews
from db.session import reading
from labeling.types import LabelSource, ProjectId
from service.demo.annotators import SimulatedAnswers
from service.demo.measured.moment import Moment, as_shown
from service.demo.summary import Certified, Measured, Replayed, Saved
from service.figures.figures import stored
from service.figures.wrong_labels import ShareOfWrongLabels
from service.labels.certificates import read_certificates
from service.work.select.replay import replay_query
from service.work.wiring import Parts

__all__ = ["compare_certificate", "compare_wrong_labels", "read_savings", "replay_all"]


def compare_wrong_labels(parts: Parts, moment: Moment, people: SimulatedAnswers) -> Measured:
    """The share of wrong labels by re-reviews; the truth is of the images that it speaks of, as they are labelled now.

    Where it is not yet known, the truth is of all labels that people gave.
    """
    with reading(parts.database) as session:
        figure = stored(session, moment.project.id, ShareOfWrongLabels)
        given = [one for one in labels.current(session, moment.project.id) if one.source is LabelSource.PEOPLE]
        plans = {plan.made_at.isoformat(): plan for plan in re_reviews.plans(session, moment.project.id)}
        if figure is not None and figure.as_of in plans:
            of = set(re_reviews.images_of(session, plans[figure.as_of].label_ids).values())
            given = [one for one in given if one.image_id in of]
    wrong = [one.value != people.true(moment.named[one.image_id].reference) for one in given]
    truth = round(sum(wrong) / len(wrong), 4) if wrong else None
    return Measured(None, None, None, 0, truth) if figure is None else as_shown(figure.share, truth)


def compare_certificate(parts: Parts, moment: Moment, people: SimulatedAnswers) -> Certified:
    """What the certificate that stands accepted, else the last one that was tried; what is true of it."""
    terms = moment.project.config.policy.certificate
    assert terms is not None  # the demo's own project file
    with reading(parts.database) as session:
        state = read_certificates(session, moment.project)
        shown = state.standing or next(iter(state.attempts), None)
        accepted = certificates.accepted_of(session, shown.id) if shown else []
    right = [one.value == people.true(moment.named[one.image_id].reference) for one in accepted]
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


def read_savings(moment: Moment) -> Saved:
    """Random labels for each chosen one, as the product says."""
    if moment.arm is None:
        return Saved(None, None, None, 0)
    found = moment.arm.saved
    return Saved(found.value, found.lower, found.upper, found.n)


def replay_all(parts: Parts, project_id: ProjectId) -> Replayed:
    """Draw every query of a project again from what was stored with it."""
    with reading(parts.database) as session:
        numbers = bases.numbers(session, project_id)
    return Replayed(len(numbers), sum(replay_query(parts, project_id, number).equal for number in numbers))

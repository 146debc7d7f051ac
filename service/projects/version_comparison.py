"""The comparison of two versions as it is kept and shown: the paired test, and the images of which they differ.

Written by the worker, or by a command; read by page and API. While a certificate is to be tried, nothing that rests on
the random stream is handed out, whenever it was computed.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from db.repositories.certificates import certificates
from db.repositories.engines import reports
from db.repositories.versions import versions
from db.repositories.versions.versions import Version
from db.views import label_list
from labeling.conversion import convert
from labeling.errors import Conflict, Invalid
from labeling.project import Project
from labeling.types import ImageId, ProjectId

__all__ = [
    "KIND",
    "MOST_IMAGES",
    "NOT_THE_STREAM",
    "Between",
    "Flip",
    "FlippedImage",
    "VersionComparison",
    "newest_comparison",
    "sentence",
    "two_versions",
]

KIND = "versions"
"""Under which kind of report a comparison is kept."""
MOST_IMAGES = 200
"""So many images are named at most."""
NOT_THE_STREAM = (
    "A certificate is to be tried, so nothing that the random stream says of versions is shown: whoever chose by it "
    "would spend the certificate's delta."
)


class Between(msgspec.Struct):
    """The first version minus the second on some images."""

    images: int
    difference: float
    """In the gate's measure, in [-1, 1]."""
    lower: float
    """The lower bound at 95 %."""
    upper: float
    better: int
    """Near-duplicate groups in which the first is right on more images than the second."""
    worse: int
    """Those in which it is right on fewer."""
    p_value: float
    """Two-sided and exact, of these two numbers: of accuracy, whatever the measure."""
    passes: float | None
    """A version better by this would have passed the gate in 80 of 100 such samples; null: not known, or none."""
    fails: float | None
    """One worse by this would have been refused in 80 of 100; null: not known, or none."""
    slips: float | None = None
    """The chance that one two points worse would have passed; null: not known."""


class Flip(msgspec.Struct):
    """How many images change from one class to another."""

    before: str
    """What the second version says."""
    after: str
    """What the first version says."""
    images: int


class FlippedImage(msgspec.Struct):
    """One image of which the two say different classes, with the calibrated probability of each class."""

    image_id: int
    content_hash: str
    before: str
    """What the second version says."""
    before_probability: float
    after: str
    """What the first version says."""
    after_probability: float


class VersionComparison(msgspec.Struct, kw_only=True):
    """Two versions beside each other."""

    first: int
    """The number of a version."""
    second: int
    """The number of the one that it is compared with."""
    measure: str
    """What the gate compares: `accuracy` or `macro_f1`."""
    basis: str
    """On which images, as a verdict of the gate would rest on."""
    from_stream: bool
    """Whether these are images of the random stream."""
    test: Between | None
    """Null: not yet known."""
    why: str
    """Why it is not known; empty where it is."""
    withheld: str = ""
    """What is not shown, and why; empty where all is."""
    pool: int
    """Images that both predict."""
    flipped: int
    """Images of which they say different classes."""
    flips: list[Flip]
    """All of these, the most frequent first."""
    images: list[FlippedImage]
    """Some of them, those first of which both are surest."""
    unlisted: int
    """Of the flipped ones, how many of the random stream's reserve are not named, because a certificate is planned."""
    hidden: int = 0
    """Of the named ones, how many are not shown to this reader, because a blind review is open."""
    at: datetime | None = None
    """When it was computed."""


def two_versions(session: Session, project_id: ProjectId, first: int | None, second: int | None) -> tuple[int, int]:
    """The numbers of the versions to compare: by default the newest with the champion, or with the one before it.

    Raises
    ------
    NotFound
        One of them does not exist.
    Conflict, Invalid
        There are not two of them; or both are the same.
    """
    newest, champion = versions.newest(session, project_id), versions.champion(session, project_id)
    if newest is None:
        raise Conflict("There is no version yet. `hardcase learn` fits one from the labels so far.")
    one = newest if first is None else versions.by_number(session, project_id, first)
    if second is not None:
        other: Version | None = versions.by_number(session, project_id, second)
    elif champion is None or champion.id != one.id:
        other = champion
    else:
        other = versions.previous_champion(session, project_id)
    if other is None:
        raise Conflict(f"There is no other champion to compare version {one.number} with. Name two versions.")
    if one.id == other.id:
        raise Invalid(f"Both are version {one.number}. Name two different versions.")
    return one.number, other.number


def newest_comparison(
    session: Session, project: Project, first: int, second: int, *, leads: bool = True
) -> VersionComparison | str | None:
    """The comparison of these two that was made last, without what may not be shown now; None where there is none.

    A text says why they could not be compared. `leads`: the reader may see what a blind review hides.
    """
    found = reports.newest_of(session, project.id, KIND, {"first": first, "second": second})
    if found is None:
        return None
    if isinstance(found.result.get("error"), str):
        return str(found.result["error"])
    try:
        made = convert(found.result, VersionComparison)
    except msgspec.ValidationError:
        return None  # in the form of another release: it is computed again when somebody asks
    made.at = found.created_at
    if made.from_stream and certificates.is_to_be_tried(session, project.id):
        made.test, made.why, made.withheld = None, NOT_THE_STREAM, NOT_THE_STREAM
        made.unlisted, made.images = made.unlisted + len(made.images), []
    return made if leads else _without_blind(session, made)


def _without_blind(session: Session, made: VersionComparison) -> VersionComparison:
    """The same without images that somebody is being asked about blind."""
    blind = label_list.blind_and_open(session, [ImageId(one.image_id) for one in made.images])
    shown = [one for one in made.images if one.image_id not in blind]
    made.hidden, made.images = len(made.images) - len(shown), shown
    return made


def sentence(found: VersionComparison) -> str:
    """The paired test in a sentence."""
    if found.test is None:
        return f"Not yet known: {found.why}"
    one, measure = found.test, found.measure.replace("_", " ")
    numbers = (f"{100 * number:+.1f}" for number in (one.difference, one.lower, one.upper))
    difference = "{} points of {measure} (95 % interval {} to {})".format(*numbers, measure=measure)
    groups = f"better in {one.better} groups, worse in {one.worse}: p = {one.p_value:.2g}, exact"
    return (
        f"Version {found.first} against version {found.second}: {difference} on {one.images} {found.basis}; {groups}."
    )

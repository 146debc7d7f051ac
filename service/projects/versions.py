"""The versions of a project as people inspect them: a list, and one with its card, its verdicts and its results.

In: rows, the card in the home folder, and figures of the worker. Out: the same values for page, API and command. While
a certificate is to be tried, nothing is said of how right a version is on the random stream.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
from sqlalchemy.orm import Session

from db.repositories.certificates import certificates
from db.repositories.versions import versions
from db.repositories.versions.versions import Promotion, Version
from labeling.conversion import decode
from labeling.errors import BadArtifact
from labeling.jobs import Trigger
from labeling.project import Project
from labeling.types import VersionId
from service.figures.accuracy import AccuracyByVersion, Confusion, OneVersion
from service.figures.estimates import Known, known
from service.figures.figures import stored
from service.figures.label_quality import LabelQuality
from service.projects.version_comparison import NOT_THE_STREAM

__all__ = ["Card", "ListedVersion", "OneVerdict", "Recall", "ShownVersion", "listed", "shown", "withheld_now"]

STREAM_BESIDE = "of the random stream the difference is"
"""The words of a reason that says what the stream shows beside a verdict that training images carry."""
OLD_BASIS = "images of the random stream"
"""What carried a verdict of an older hardcase, which did not say."""
JUDGED = "not judged yet"


class OneVerdict(msgspec.Struct, kw_only=True):
    """One verdict about a version. What no gate measured is null: a person decided, or there were too few images."""

    at: datetime
    verdict: str
    by: str
    """Who decided: the gate, or a person."""
    by_hand: bool
    against: int | None
    """The champion of then; null: the engine's pre-labels."""
    reasons: list[str]
    basis: str
    """What it rests on; empty where a person decided."""
    images: int
    """How many images that were."""
    gain: float | None
    """In the gate's measure, in [-1, 1]."""
    lower: float | None
    """The lower bound of the gain at 95 %."""
    upper: float | None
    passes: float | None
    """A version better by this passes in 80 of 100 such samples; null: not known, or none."""
    fails: float | None
    """One worse by this is refused in 80 of 100; null: not known, or none."""
    slips: float | None
    """The chance that one two points worse passes; null: not known, or an older hardcase did not say."""


class ListedVersion(msgspec.Struct, kw_only=True):
    """One version in the list; `measured` is the newest verdict of the gate about it."""

    number: int
    at: datetime
    trigger: str
    labels: int
    """Labels that it was trained on."""
    champion: bool
    verdict: str
    """The newest about it, by the gate or by hand."""
    by_hand: bool
    measured: OneVerdict | None


class Card(msgspec.Struct, kw_only=True):
    """What a version was made of, as its card says."""

    classes: list[str]
    """In order."""
    fusion: str
    head: str
    temperature: float
    calibrated: bool
    engine_revision: str
    image_encoder: str
    text_encoder: str
    snapshot_hash: str
    """Of the labels that it was fitted on."""
    card_hash: str
    code_version: str


class Recall(msgspec.Struct):
    """How many images of the random stream that people gave this class the champion gets right."""

    label: str
    right: int
    of: int
    lower: float | None
    """The lower bound of the share at 95 %; null: not yet known."""
    upper: float | None


class ShownVersion(msgspec.Struct, kw_only=True):
    """One version with its card, its verdicts and its results."""

    listed: ListedVersion
    card: Card | None
    """Null where it is damaged; `damage` says so."""
    damage: str
    labels_by_class: dict[str, int]
    """Labels that it was trained on."""
    without_examples: list[str]
    """Classes that it gives practically no probability."""
    left_out: int
    """Labels that could not be used."""
    calibration_labels: int
    """Labels of the random stream that the temperature rests on."""
    verdicts: list[OneVerdict]
    """The newest first."""
    accuracy: Known
    """On the random stream, by the labels of today where it has predicted them."""
    recall: list[Recall]
    """By class; of the champion only."""
    withheld: str
    """Why nothing is said of the random stream; empty where it is."""


class _Facts(msgspec.Struct):
    """The facts of a card that are shown."""

    classes: list[str]
    engine_revision: str
    image_encoder: str
    text_encoder: str
    code_version: str


class _Stored(msgspec.Struct):
    """The parts of `card.json` that are shown; older cards do not name head and fusion."""

    facts: _Facts
    temperature: float
    calibrated: bool
    head: str = "logistic"
    fusion: str = "concatenation"


def listed(session: Session, project: Project) -> list[ListedVersion]:
    """Every version, the newest first."""
    saved, champion = versions.everyone(session, project.id), versions.champion(session, project.id)
    numbers = {one.id: one.number for one in saved}
    about: dict[int, list[Promotion]] = {one.id: [] for one in saved}
    for verdict in versions.promotions(session, project.id):
        about[verdict.version_id].append(verdict)
    read = _Verdicts(numbers, certificates.is_to_be_tried(session, project.id))
    return [
        _listed(one, about[one.id], read, is_champion=champion is not None and champion.id == one.id)
        for one in reversed(saved)
    ]


def withheld_now(session: Session, project: Project) -> str:
    """Why nothing of the random stream is said of versions; empty where it is."""
    return NOT_THE_STREAM if certificates.is_to_be_tried(session, project.id) else ""


def shown(session: Session, home: Path, project: Project, number: int) -> ShownVersion:
    """The version of this number; NotFound where there is none."""
    version = versions.by_number(session, project.id, number)
    numbers = {one.id: one.number for one in versions.everyone(session, project.id)}
    champion, verdicts = versions.champion(session, project.id), versions.promotions(session, project.id, version.id)
    is_champion = champion is not None and champion.id == version.id
    card, damage = _card(home, version)
    withheld = withheld_now(session, project)
    read, report = _Verdicts(numbers, bool(withheld)), version.report
    return ShownVersion(
        listed=_listed(version, verdicts, read, is_champion=is_champion),
        card=card,
        damage=damage,
        labels_by_class=dict(report.get("examples_by_class", {})),
        without_examples=list(report.get("classes_without_examples", ())),
        left_out=len(report.get("left_out", ())),
        calibration_labels=int(report.get("calibration_labels", 0)),
        verdicts=[read.shown(one) for one in reversed(verdicts)],
        accuracy=known(None) if withheld else _accuracy(session, project, number),
        recall=_recall(session, project, number) if is_champion and not withheld else [],
        withheld=withheld,
    )


@dataclass(frozen=True, slots=True)
class _Verdicts:
    """Reads verdicts: `numbers` of versions by id; `withholds` what the stream shows beside a verdict."""

    numbers: Mapping[VersionId, int]
    withholds: bool

    def shown(self, one: Promotion) -> OneVerdict:
        report, by_hand = one.report, one.trigger is Trigger.HAND
        lower, upper = report.get("interval") or (None, None)
        power = report.get("power") or {}
        return OneVerdict(
            at=one.created_at,
            verdict=one.verdict.value,
            by=one.author,
            by_hand=by_hand,
            against=None if one.champion_id is None else self.numbers.get(one.champion_id),
            reasons=[why for why in one.reasons if not (self.withholds and STREAM_BESIDE in why)],
            basis="" if by_hand else str(report.get("carried_by", OLD_BASIS)),
            images=int(report.get("labels", 0)),
            gain=report.get("gain") if lower is not None else None,
            lower=lower,
            upper=upper,
            passes=power.get("passes"),
            fails=power.get("fails"),
            slips=power.get("slips"),
        )


def _listed(version: Version, verdicts: Sequence[Promotion], read: _Verdicts, *, is_champion: bool) -> ListedVersion:
    newest = verdicts[-1] if verdicts else None
    measured = [one for one in verdicts if one.verdict in versions.GATE_VERDICTS and one.trigger is not Trigger.HAND]
    return ListedVersion(
        number=version.number,
        at=version.created_at,
        trigger=version.trigger.value,
        labels=int(version.report.get("examples", 0)),
        champion=is_champion,
        verdict=newest.verdict.value if newest else JUDGED,
        by_hand=newest is not None and newest.trigger is Trigger.HAND,
        measured=read.shown(measured[-1]) if measured else None,
    )


def _card(home: Path, version: Version) -> tuple[Card | None, str]:
    """The card of a version, if it is the one that was saved; else why it is not shown."""
    try:
        found = _read_card(home, version)
    except BadArtifact as error:
        return None, error.message
    facts = found.facts
    card = Card(
        classes=facts.classes,
        fusion=found.fusion,
        head=found.head,
        temperature=found.temperature,
        calibrated=found.calibrated,
        engine_revision=facts.engine_revision,
        image_encoder=facts.image_encoder,
        text_encoder=facts.text_encoder,
        snapshot_hash=version.snapshot_hash,
        card_hash=version.card_hash,
        code_version=facts.code_version,
    )
    return card, ""


def _read_card(home: Path, version: Version) -> _Stored:
    damaged = (
        f"The card of version {version.number} in {version.path} is missing or was changed. Restore the folder from a "
        "backup, promote another version, or run `hardcase learn` after more labels."
    )
    try:
        text = (home / version.path / "card.json").read_bytes()
        if hashlib.sha256(text).hexdigest() != version.card_hash:
            raise BadArtifact(damaged)
        return decode(text, _Stored)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError) as error:
        raise BadArtifact(damaged) from error


def _accuracy(session: Session, project: Project, number: int) -> Known:
    figure = stored(session, project.id, AccuracyByVersion)
    found: OneVersion | None = next((one for one in figure.versions if one.version == number), None) if figure else None
    if found is None:
        return known(None)
    return Known(known=found.known, n=found.n, value=found.accuracy, lower=found.lower, upper=found.upper)


def _recall(session: Session, project: Project, number: int) -> list[Recall]:
    figure = stored(session, project.id, Confusion)
    if figure is None or figure.version != number or not figure.known:
        return []
    quality = stored(session, project.id, LabelQuality)
    same = quality is not None and quality.random.version == number
    known = {one.label: one.recall for one in quality.classes} if quality and same else {}
    return [_of_class(name, *figure.recall(at), known.get(name)) for at, name in enumerate(figure.classes)]


def _of_class(name: str, right: int, of: int, found: Known | None) -> Recall:
    """With the interval of the same images, where the worker has computed it."""
    if found is None or found.n != of:
        return Recall(name, right, of, None, None)
    return Recall(name, right, of, found.lower, found.upper)

"""Registers images for the command line and the web; the worker fetches them.

In: items, or the address of a source. Out: how many were new, changed or the same, and the refused ones, each with its
reason. The job that fetches them is asked for in the transaction that registers them. From the web only web addresses
and uploads are accepted; local paths come from the command line. `service.ingest.bulk` registers many items.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from db.repositories.deletions import tombstones
from db.repositories.images import registrations, sources
from db.repositories.images.registrations import Registered
from db.repositories.images.sources import Source
from labeling.adapters.sources.addresses import check_address, is_plain_address
from labeling.adapters.sources.files import absolute, file_exists, folder_exists, names_file, open_file
from labeling.adapters.sources.folders import Unread, find_images
from labeling.adapters.storage.image_store import UPLOAD
from labeling.answers import AnswerSet
from labeling.errors import Invalid, NotFound
from labeling.ingest.containers.file_names import printable
from labeling.ingest.headers import Limits
from labeling.ingest.manifests import MANIFEST_EXTENSIONS, BadLine, read_manifest
from labeling.ingest.text import MAX_REFERENCE, check_details, clean_text
from labeling.jobs import JobName, Trigger
from labeling.normal_form import clean_name
from labeling.project import Project
from labeling.types import Incoming
from service.jobs.jobs import Jobs
from service.settings import Settings

ROWS_A_TRANSACTION = 1_000

Found = Incoming | BadLine
Refusal = tuple[str, str]
"""A reference (or a line) and why it was not registered."""


def register_items(
    session: Session, jobs: Jobs, project: Project, items: Sequence[Incoming], now: datetime, *, local: bool = False
) -> tuple[Registered, list[Refusal]]:
    """Register items and ask for the job that fetches them; what cannot be used is refused, item by item.

    `local` lets items name files of this machine; never set it for what came over the network.
    """
    usable, refused = sort_out(project, items, local=local)
    usable, deleted = without_deleted(session, project, usable)
    refused += deleted
    registered = registrations.register(session, project.id, usable, now)
    if registered.new or registered.changed:
        jobs.ask(session, JobName.INGEST, project.id, Trigger.INGESTED)
    return registered, refused


def without_deleted(
    session: Session, project: Project, items: Sequence[Incoming]
) -> tuple[list[Incoming], list[Refusal]]:
    """Items that were not deleted, and those that were, which do not come back by themselves."""
    gone = tombstones.among(session, project.id, tombstones.REFERENCE, [item.reference for item in items])
    refused = [(item.reference, gone[item.reference].words) for item in items if item.reference in gone]
    return [item for item in items if item.reference not in gone], refused


def sort_out(
    project: Project, items: Iterable[Found], *, local: bool = True, place: str = ""
) -> tuple[list[Incoming], list[Refusal]]:
    """Items that can be registered, and those that cannot, with reasons; `place` names the file of a bad line."""
    answers = project.config.answers
    usable: list[Incoming] = []
    refused: list[Refusal] = []
    for item in items:
        try:
            usable.append(_checked(item, answers, local))
        except Invalid as error:
            refused.append((name_of(item, place)[:MAX_REFERENCE], error.message))
    return usable, refused


def name_of(item: Found, place: str = "") -> str:
    """What an item is called where it is refused: its file and line, or its reference."""
    if isinstance(item, BadLine):
        return f"{place} line {item.number}".strip()
    return printable(item.reference) or "an item"


def limits_of(settings: Settings) -> Limits:
    """The limits of one image file, from the settings."""
    return Limits(
        max_bytes=settings.max_image_bytes,
        max_pixels=settings.max_image_pixels,
        max_decoding_bytes=settings.max_decoding_bytes,
    )


def checked_source(address: str) -> str:
    """The address of a folder, an fsspec address or a manifest as it is kept; NotFound or Unavailable where none is.

    It asks the place, which may take long: not within a transaction.
    """
    place = absolute(address)
    if not folder_exists(place) and not (file_exists(place) and _extension(place) in MANIFEST_EXTENSIONS):
        raise NotFound(f"{address} is neither a folder nor a CSV or JSONL file that can be read here.")
    return place


def add_source(session: Session, jobs: Jobs, project: Project, place: str, now: datetime) -> Source:
    """Register what `checked_source` found; it is read on a schedule from now on."""
    source = sources.add(session, project.id, place, now)
    jobs.ask(session, JobName.INGEST, project.id, Trigger.SOURCE)
    return source


def items_of(
    address: str,
    ignored: Counter[str] | None = None,
    *,
    label_from_folder: bool = False,
    unread: list[Unread] | None = None,
    elsewhere: Callable[[str], str] | None = None,
) -> Iterator[Found]:
    """The items of a folder or a manifest; references are full addresses, so that folders never mix.

    `ignored` and `unread` are as in `find_images`, `elsewhere` as in `read_manifest`.
    """
    if _extension(address) in MANIFEST_EXTENSIONS and not folder_exists(address):
        with open_file(address) as file:
            yield from read_manifest(file, address, posixpath.dirname(address), names_file, elsewhere)
        return
    for found in find_images(address, Counter() if ignored is None else ignored, unread):
        yield Incoming(
            reference=found.reference,
            address=found.address,
            text=found.text,
            details={"folder": found.folder} if found.folder else {},
            known_label=found.folder if label_from_folder else None,
            fingerprint=found.fingerprint,
        )


def _checked(item: Found, answers: AnswerSet, local: bool) -> Incoming:
    """The item as it is stored: clean text, plain metadata, a label of the project, an address that may be tried."""
    if isinstance(item, BadLine):
        raise Invalid(item.reason)
    reference = clean_name(item.reference)
    if not 0 < len(reference) <= MAX_REFERENCE:
        raise Invalid(f"A reference must have 1 to {MAX_REFERENCE:,} characters.")
    label = None if item.known_label is None else answers.find(item.known_label)
    if item.known_label is not None and label is None:
        raise Invalid(f"{item.known_label[:100]!r} is not a label of this project: {_some(answers.labels)}.")
    if item.gold and item.known_label is None:
        raise Invalid("A gold item needs its label.")
    if not (local or item.address.startswith(UPLOAD) or is_plain_address(item.address)):
        check_address(item.address)
    text, details = clean_text(item.text), check_details(item.details) if item.details else {}
    if (text, label, reference) == (item.text, item.known_label, item.reference) and details == item.details:
        return item
    return replace(item, reference=reference, text=text, details=details, known_label=label)


def _some(labels: Iterable[str]) -> str:
    names = sorted(labels)
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")


def _extension(address: str) -> str:
    return posixpath.splitext(address.lower())[1]

"""Ingest of many items: a folder, an archive or a manifest, a thousand items a transaction.

In: an address. Out: the result of every item; a dry run stores nothing. An archive is read to its end before anything
of it is stored, so a refused archive leaves nothing.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import BinaryIO
from urllib.parse import urlsplit

import sqlalchemy as sa

from db.repositories.deletions import deletions
from db.repositories.images import registrations
from db.session import reading, transaction
from labeling.adapters.sources.files import absolute, file_exists, folder_exists, is_missing, open_file
from labeling.adapters.storage.image_store import UPLOAD, ImageStore, Stored
from labeling.errors import BadImage, Invalid, NotFound
from labeling.ingest.archives import ARCHIVE_EXTENSIONS, ArchiveLimits, Contents, inspect_archive, read_archive
from labeling.ingest.containers.file_names import Names, stem_of
from labeling.ingest.headers import check_header
from labeling.ingest.manifests import MANIFEST_EXTENSIONS
from labeling.ingest.text import MAX_REFERENCE
from labeling.normal_form import one_line
from labeling.project import Project
from labeling.slices import batches
from labeling.types import Incoming
from service.ingest.allowed_places import named_by
from service.ingest.register import ROWS_A_TRANSACTION, Found, Refusal, items_of, limits_of, register_items, sort_out
from service.jobs.jobs import Jobs
from service.settings import Settings

_LISTED = 10_000

Progress = Callable[[int], None]
"""Called with how many more items were handled."""


@dataclass(slots=True)
class Ingested:
    """The result of an ingest, or of a dry run; `refused` lists the first ten thousand, with reasons."""

    kind: str
    dry_run: bool
    found: int = 0
    new: int = 0
    changed: int = 0
    same: int = 0
    refused_count: int = 0
    refused: list[Refusal] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    with_text: int = 0
    with_label: int = 0

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        self.refused_count += len(refusals)
        self.refused += refusals[: max(0, _LISTED - len(self.refused))]


@dataclass(frozen=True, slots=True)
class Ingesting:
    """Ingest of many items. With `label_from_folder` the name of a class subfolder is the label of its images."""

    settings: Settings
    database: sa.Engine
    jobs: Jobs
    images: ImageStore
    now: Callable[[], datetime]
    label_from_folder: bool = False
    dry_run: bool = False
    progress: Progress = lambda _: None

    def path(self, project: Project, address: str) -> Ingested:
        """Ingest a folder, an fsspec address, a ZIP or TAR archive, a CSV or JSONL manifest, or one web address."""
        if address.startswith(("http://", "https://")) and posixpath.basename(urlsplit(address).path):
            one = [Incoming(reference=address, address=address)]
            return self._take(project, one, Ingested("address", self.dry_run), local=False)
        place = absolute(address)
        if folder_exists(place):
            result = Ingested("folder", self.dry_run)
            items = items_of(place, result.ignored, label_from_folder=self.label_from_folder)
        elif not file_exists(place):
            raise NotFound(f"There is no folder or file {address}.")
        elif posixpath.splitext(place.lower())[1] in MANIFEST_EXTENSIONS:
            result, items = Ingested("manifest", self.dry_run), items_of(place, elsewhere=named_by(self.settings))
        elif place.lower().endswith(ARCHIVE_EXTENSIONS):
            with open_file(place) as file:
                return self._archive(project, file, posixpath.basename(place))
        else:
            raise Invalid(
                f"{address} is no folder, archive (.zip, .tar, .tar.gz, ...) or manifest (.csv, .tsv, .jsonl). Save a "
                "table as CSV, JSON as JSON Lines, another archive as ZIP, and put a single image into a folder."
            )
        return self._take(project, items, result, local=True, place=posixpath.basename(place))

    def _archive(self, project: Project, file: BinaryIO, name: str) -> Ingested:
        """Ingest the images of an archive; BadArchive before anything of it is stored."""
        limits = ArchiveLimits(max_member_bytes=self.settings.max_image_bytes)
        contents, name = inspect_archive(file, limits), one_line(name) or "archive"
        result = Ingested("archive", self.dry_run, found=len(contents.refused), ignored=contents.ignored)
        result.refuse([(f"{name}/{member}", reason) for member, reason in contents.refused])
        items = self._members(file, name, limits, contents, result)
        with reading(self.database) as session:
            since = deletions.oldest_at_work(session)
        self._take(project, items, result, local=False)
        self._keep_again(file, limits, since)
        return result

    def _take(
        self, project: Project, items: Iterable[Found], result: Ingested, *, local: bool, place: str = ""
    ) -> Ingested:
        for chunk in batches(items, ROWS_A_TRANSACTION):
            usable, refused = sort_out(project, chunk, local=local, place=place)
            if result.dry_run and result.kind == "manifest":
                usable, missing = _there(usable)
                refused += missing
            result.found += len(chunk)
            result.with_text += sum(item.text is not None for item in usable)
            result.with_label += sum(item.known_label is not None for item in usable)
            result.refuse(refused)
            if not result.dry_run:
                with transaction(self.database) as session:
                    registered, _ = register_items(session, self.jobs, project, usable, self.now(), local=local)
                result.new += registered.new
                result.changed += registered.changed
                result.same += registered.same
            self.progress(len(chunk))
        return result

    def _keep_again(self, file: BinaryIO, limits: ArchiveLimits, since: int) -> None:
        """Keep those uploads again that another project's deletion removed before their rows named them."""
        with reading(self.database) as session:
            if self.dry_run or not deletions.has_worked(session, since):
                return
            waiting = registrations.waiting_uploads(session)
        for member in read_archive(file, limits):
            address = UPLOAD + sha256(member.data).hexdigest()
            if address in waiting and not self.images.has(Stored.UPLOAD, address):
                self.images.keep_upload(member.data)

    def _members(
        self, file: BinaryIO, name: str, limits: ArchiveLimits, contents: Contents, result: Ingested
    ) -> Iterator[Found]:
        names = Names()
        for member in read_archive(file, limits):
            folder = member.name.split("/")[0] if "/" in member.name else None
            reference = names.of(member.name, cleaned=f"{name}/{member.name}"[-MAX_REFERENCE:])
            try:
                check_header(member.data, limits_of(self.settings))
                address = UPLOAD + "0" * 64 if self.dry_run else self.images.keep_upload(member.data)
            except BadImage as error:
                result.found += 1
                result.refuse([(reference, error.message)])
                continue
            yield Incoming(
                reference=reference,
                address=address,
                text=contents.texts.get(stem_of(member.name)),
                details={"folder": folder} if folder else {},
                known_label=folder if self.label_from_folder else None,
                fingerprint=address.removeprefix(UPLOAD),
            )


def _there(items: Sequence[Incoming]) -> tuple[list[Incoming], list[Refusal]]:
    """Those whose file is there, and those whose file is not: the worker would say so later."""
    there: list[Incoming] = []
    missing: list[Refusal] = []
    for item in items:
        if item.address.lower().startswith(("http://", "https://")) or not is_missing(item.address):
            there.append(item)
        else:
            missing.append((item.reference, "There is no such file. Mend its path, or put the file there."))
    return there, missing

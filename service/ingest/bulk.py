"""Ingest of much at once: a folder, an archive or a manifest, a thousand items a transaction.

In: an address (from the command line) or an uploaded file (from the web). Out: what became of every item, or, as a
dry run, what would. An archive is read to its end before anything of it is stored, so a refusal leaves nothing.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO
from urllib.parse import urlsplit

import fsspec
import sqlalchemy as sa

from db.session import transaction
from labeling.adapters.sources.folders import absolute, file_exists, folder_exists
from labeling.adapters.storage.image_store import UPLOAD, ImageStore
from labeling.errors import BadImage, Invalid, NotFound
from labeling.ingest.archives import ARCHIVE_EXTENSIONS, ArchiveLimits, Contents, inspect_archive, read_archive
from labeling.ingest.decoding import check_header
from labeling.ingest.manifests import MANIFEST_EXTENSIONS
from labeling.ingest.text import MAX_REFERENCE, clean_text
from labeling.project import Project
from labeling.slices import batches
from labeling.types import Incoming
from service.ingest.register import ROWS_A_TRANSACTION, Found, Refusal, items_of, limits_of, register_items, sort_out
from service.jobs.jobs import Jobs
from service.settings import Settings

_SHOWN_REFUSALS = 100

Progress = Callable[[int], None]
"""Called with how many more items were handled."""


@dataclass(slots=True)
class Ingested:
    """What became of an ingest; with `dry_run`, what would. `refused` lists the first hundred."""

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
        self.refused += refusals[: max(0, _SHOWN_REFUSALS - len(self.refused))]


@dataclass(frozen=True, slots=True)
class Ingesting:
    """Ingest of much at once, with what it needs; one transaction a thousand items."""

    settings: Settings
    database: sa.Engine
    jobs: Jobs
    images: ImageStore
    now: Callable[[], datetime]

    def path(
        self,
        project: Project,
        address: str,
        *,
        label_from_folder: bool = False,
        dry_run: bool = False,
        progress: Progress = lambda _: None,
    ) -> Ingested:
        """Ingest a folder, an fsspec address, a ZIP or TAR archive, a CSV or JSONL manifest, or one web address."""
        if address.startswith(("http://", "https://")) and posixpath.basename(urlsplit(address).path):
            one = [Incoming(reference=address, address=address)]
            return self._take(project, one, Ingested("address", dry_run), progress, local=False)
        place = absolute(address)
        if folder_exists(place):
            result = Ingested("folder", dry_run)
            items = items_of(place, result.ignored, label_from_folder=label_from_folder)
        elif not file_exists(place):
            raise NotFound(f"There is no folder or file {address}.")
        elif posixpath.splitext(place.lower())[1] in MANIFEST_EXTENSIONS:
            result, items = Ingested("manifest", dry_run), items_of(place)
        elif place.lower().endswith(ARCHIVE_EXTENSIONS):
            with fsspec.open(place, "rb") as file:
                return self.archive(
                    project,
                    file,
                    posixpath.basename(place),
                    label_from_folder=label_from_folder,
                    dry_run=dry_run,
                    progress=progress,
                )
        else:
            raise Invalid(f"{address} is no folder, archive (.zip, .tar, .tar.gz, ...) or manifest (.csv, .jsonl).")
        return self._take(project, items, result, progress, local=True)

    def archive(
        self,
        project: Project,
        file: BinaryIO,
        name: str,
        *,
        label_from_folder: bool = False,
        dry_run: bool = False,
        progress: Progress = lambda _: None,
    ) -> Ingested:
        """Ingest the images of an archive; BadArchive before anything of it is stored."""
        limits = ArchiveLimits(max_member_bytes=self.settings.max_image_bytes)
        contents = inspect_archive(file, limits)
        result = Ingested("archive", dry_run, ignored=contents.ignored)
        items = self._members(file, clean_text(name) or "archive", limits, contents, label_from_folder, dry_run, result)
        return self._take(project, items, result, progress, local=False)

    def _take(
        self, project: Project, items: Iterable[Found], result: Ingested, progress: Progress, *, local: bool
    ) -> Ingested:
        for chunk in batches(items, ROWS_A_TRANSACTION):
            usable, refused = sort_out(project, chunk, local=local)
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
            progress(len(chunk))
        return result

    def _members(
        self,
        file: BinaryIO,
        name: str,
        limits: ArchiveLimits,
        contents: Contents,
        label_from_folder: bool,
        dry_run: bool,
        result: Ingested,
    ) -> Iterator[Found]:
        for member in read_archive(file, limits):
            folder = member.name.split("/")[0] if "/" in member.name else None
            reference = f"{name}/{member.name}"[:MAX_REFERENCE]
            try:
                check_header(member.data, limits_of(self.settings))
                address = UPLOAD + "0" * 64 if dry_run else self.images.keep_upload(member.data)
            except BadImage as error:
                result.found += 1
                result.refuse([(reference, error.message)])
                continue
            yield Incoming(
                reference=reference,
                address=address,
                text=contents.texts.get(posixpath.splitext(member.name)[0]),
                details={"folder": folder} if folder else {},
                known_label=folder if label_from_folder else None,
                fingerprint=address.removeprefix(UPLOAD),
            )

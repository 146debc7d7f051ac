"""One look at a source: what is new or changed is registered, what is gone is noted, what cannot be used is listed.

In: a source. Out: counts. What could not be read does not count as gone: not the images under a folder that may not be
read or is empty all at once, and none of a manifest with a line that cannot be used.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field

from db.repositories.images import registrations
from db.repositories.images.sources import Source
from db.repositories.running import failures
from db.session import reading, transaction
from labeling.adapters.sources.folders import Unread
from labeling.ingest.manifests import MANIFEST_EXTENSIONS, BadLine
from labeling.project import Project
from labeling.slices import batches
from labeling.types import Incoming, RegistrationId
from service.ingest.allowed_places import named_by
from service.ingest.register import ROWS_A_TRANSACTION, Found, items_of, sort_out, without_deleted
from service.work.wiring import Parts

_LISTED = 1_000
"""So many of what cannot be used in one source are listed; the rest is counted."""


@dataclass(slots=True)
class _Look:
    """What one look finds. `standing` is what the source held before, without what was found again."""

    standing: dict[str, RegistrationId]
    found: int = 0
    bad_lines: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    more: int = 0

    def refuse(self, name: str, reason: str) -> None:
        if len(self.refused) < _LISTED:
            self.refused[name] = reason
        else:
            self.more += 1


def read_source(parts: Parts, project: Project, source: Source) -> dict[str, int]:
    """Read a source once; a second time right after changes nothing.

    Raises
    ------
    Unavailable, BadAddress
        It cannot be read at all.
    """
    with reading(parts.database) as session:
        look = _Look(registrations.standing(session, source.id))
    counts = {"new": 0, "changed": 0}
    unread: list[Unread] = []
    for chunk in batches(
        items_of(source.address, unread=unread, elsewhere=named_by(parts.settings)), ROWS_A_TRANSACTION
    ):
        usable, refused = sort_out(project, chunk, place=posixpath.basename(source.address))
        for name, reason in refused:
            look.refuse(name, reason)
        _note_found(look, chunk)
        registered = _register(parts, project, source, usable)
        counts = {"new": counts["new"] + registered.new, "changed": counts["changed"] + registered.changed}
    _keep_unread(look, unread)
    missing = _missing(look, source)
    _note_refused(parts, project, source, look)
    return {**counts, "gone": _note_gone(parts, missing)}


def _note_found(look: _Look, chunk: Sequence[Found]) -> None:
    for item in chunk:
        if isinstance(item, BadLine):
            look.bad_lines += 1
        else:
            look.found += 1
            look.standing.pop(item.reference, None)


def _register(parts: Parts, project: Project, source: Source, usable: Sequence[Incoming]) -> registrations.Registered:
    """Register what this source says for the first time. Another source may say something else of the same image.

    What was deleted is passed over in silence: its name is kept nowhere.
    """
    with reading(parts.database) as session:
        usable, _ = without_deleted(session, project, usable)
        references = [item.reference for item in usable]
        known = registrations.known(session, project.id, references)
        known |= registrations.known(session, project.id, references, source.id)
    moved = [i for i in usable if i.reference not in known or registrations.differs(i, known[i.reference])]
    if not moved:
        return registrations.Registered(0, 0, 0)
    with transaction(parts.database) as session:
        return registrations.register(session, project.id, moved, parts.now(), source.id)


def _keep_unread(look: _Look, unread: Sequence[Unread]) -> None:
    """Take from what is missing all that lies under what could not be read."""
    for one in unread:
        under = [name for name in look.standing if name == one.reference or name.startswith(f"{one.reference}/")]
        for name in under:
            del look.standing[name]
        if not one.is_empty:
            look.refuse(one.reference, one.reason)
        elif under:
            look.refuse(one.reference, f"{one.reason} The {len(under)} images that were in it do not count as gone.")


def _missing(look: _Look, source: Source) -> list[RegistrationId]:
    is_manifest = posixpath.splitext(source.address.lower())[1] in MANIFEST_EXTENSIONS
    if is_manifest and look.standing and not (look.found or look.bad_lines):
        words = f"It names no image any more. The {len(look.standing)} images that it named do not count as gone."
        look.refuse(posixpath.basename(source.address), words)
    return [] if is_manifest and (look.bad_lines or not look.found) else list(look.standing.values())


def _note_refused(parts: Parts, project: Project, source: Source, look: _Look) -> None:
    prefix = f"source {source.id}:"
    found = {prefix + name: reason for name, reason in look.refused.items()}
    if look.more:
        found[prefix + source.address] = f"{look.more} more lines or files cannot be used either."
    with transaction(parts.database) as session:
        failures.keep_only(session, project.id, failures.REGISTER, prefix, found, parts.now())


def _note_gone(parts: Parts, missing: Sequence[RegistrationId]) -> int:
    total = 0
    for chunk in batches(missing, ROWS_A_TRANSACTION):
        with transaction(parts.database) as session:
            total += registrations.gone(session, chunk, parts.now())
    return total

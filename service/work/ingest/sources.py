"""Reads one source of a project: registers what is new or changed in it, and notes what is gone.

In: a source. Out: how many of each. It may be read again at any time: what is the same is left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from db.repositories.images import registrations
from db.repositories.images.sources import Source
from db.repositories.running import failures
from db.session import reading, transaction
from labeling.project import Project
from labeling.slices import batches
from labeling.types import RegistrationId
from service.ingest.register import ROWS_A_TRANSACTION, items_of, sort_out
from service.work.wiring import Parts


def read_source(parts: Parts, project: Project, source: Source) -> dict[str, int]:
    """Register what the source holds; whatever error it gives, nothing of it counts as gone."""
    with reading(parts.database) as session:
        before = registrations.standing(session, source.id)
    counts = {"new": 0, "changed": 0}
    for chunk in batches(items_of(source.address), ROWS_A_TRANSACTION):
        usable, bad = sort_out(project, chunk)
        for item in usable:
            before.pop(item.reference, None)
        with reading(parts.database) as session:
            known = registrations.known(session, project.id, [item.reference for item in usable])
        moved = [i for i in usable if i.reference not in known or registrations.differs(i, known[i.reference])]
        if moved or bad:
            with transaction(parts.database) as session:
                registered = registrations.register(session, project.id, moved, parts.now(), source.id)
                for reference, reason in bad:
                    subject = f"{project.id}:{reference}"
                    failures.record(session, project.id, "register", subject, reason, True, parts.now())
            counts = {"new": counts["new"] + registered.new, "changed": counts["changed"] + registered.changed}
    return {**counts, "gone": _note_gone(parts, list(before.values()))}


def _note_gone(parts: Parts, missing: Sequence[RegistrationId]) -> int:
    total = 0
    for chunk in batches(missing, ROWS_A_TRANSACTION):
        with transaction(parts.database) as session:
            total += registrations.gone(session, chunk, parts.now())
    return total

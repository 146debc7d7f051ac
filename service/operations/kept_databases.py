"""The databases of a home, for `doctor --deep`: ours, the spool of events, and Label Studio's.

In: where everything lies. Out: each with SQLite's whole check. Indices are made anew, the rest is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from db.integrity import Soundness, check_database, check_file, rebuild_indices
from labeling.errors import BadArtifact, Damaged
from service.operations.kept import Ground, Kept, Listing
from service.operations.soundness import RESTORE

__all__ = ["databases"]


def databases(ground: Ground) -> Listing:
    """Every database file, by SQLite's whole check."""
    things = list(_databases(ground))
    return Listing(len(things), things)


def _databases(ground: Ground) -> Iterator[Kept]:
    database = ground.database
    name = database.url.render_as_string(hide_password=True)

    def all_of_it() -> Soundness:
        return check_database(database, deep=True)

    def mend() -> None:
        if not all_of_it().only_indices:
            raise Damaged("More than its indices is damaged.")
        rebuild_indices(database)

    yield Kept(name, partial(_check, all_of_it), RESTORE, mend)
    spool = ground.home / "spool.db"
    if spool.exists():
        way_out = "stop hardcase and move it away: the sweep finds the answers that its events were about"
        yield Kept(str(spool), partial(_check, partial(check_file, spool, deep=True)), way_out)
    studio = ground.home / "label-studio" / "label_studio.sqlite3"
    if studio.exists():
        way_out = "stop hardcase and put a backup of Label Studio's database in its place: people's answers are in it"
        yield Kept(str(studio), partial(_check, partial(check_file, studio, deep=True)), way_out)


def _check(ask: Callable[[], Soundness]) -> None:
    found = ask()
    if found.wrong:
        raise BadArtifact(f"{'; '.join(found.wrong[:3])}.")

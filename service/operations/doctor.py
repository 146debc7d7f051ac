"""`hardcase doctor`: checks everything that the loop needs, one by one.

In: the settings and the database. Out: one `Check` per question, each with what was found and what to do. Nothing is
changed, and a question that cannot be asked because an earlier one failed says so.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
import sqlalchemy as sa

from db import migrate
from db.repositories.projects import projects
from db.repositories.reviews import displayed_predictions, label_studio, reviews
from db.repositories.reviews.label_studio import Place
from db.repositories.running import heartbeats
from db.session import reading
from db.views import groups
from labeling.adapters.label_studio.client import LabelStudio
from labeling.adapters.label_studio.http import is_personal_token
from labeling.adapters.storage.vectors_of_0_1_0 import old_tables
from labeling.errors import HardcaseError
from labeling.project import Project
from labeling.review.config import choices_in
from service.label_studio.webhook import HEADER, path_of, secret_of
from service.notifications.targets import Webhook, load_messages, secret_for
from service.operations.processes import read_processes
from service.operations.soundness import RESTORE, lost_of_database, sound
from service.schema import check_schema
from service.settings import Settings, prepare_home
from service.work.engines.factory import make_engine
from service.work.review.shown_order import unlike_sent, without_prediction

WORKER_STALE_AFTER = timedelta(seconds=30)
GROUPED_SHARE, LARGE_GROUP, LARGE_GROUP_SHARE = 0.2, 10, 0.02
"""More of a pool in groups, or a group of more images and of more of the pool, is worth a look."""
LEAST_FREE_BYTES = 500 * 2**20
LAG_TOLERATED = timedelta(minutes=10)
COMPARED = 50
"""Reading a task with all its predictions takes Label Studio some 3 ms."""
GONE = "restore it there from a backup, or make a new project here: it shares images and embeddings with this one"
START_LABEL_STUDIO = (
    "start it with `hardcase up --label-studio`, or set HARDCASE_LABEL_STUDIO_URL and HARDCASE_LABEL_STUDIO_TOKEN"
)


@dataclass(frozen=True, slots=True)
class Check:
    """One question: whether the answer is good, what was found, and what to do if it is not good."""

    name: str
    ok: bool
    detail: str
    way_out: str


Finding = tuple[bool, str]
"""Whether it is good, and what was found."""


def examine(settings: Settings, database: sa.Engine, studio: LabelStudio) -> list[Check]:
    """Ask everything; an error that hardcase can explain is a check that failed."""
    whole = list(_about_database(settings, database))
    if not all(check.ok for check in whole):
        return whole  # whatever else is read of it may be wrong
    at = migrate.revision(database)
    older = at is None or migrate.knows(at)
    way_out = "run `hardcase init`" if older else "update this hardcase: a newer one has migrated the database"
    schema = _asked("database at head", way_out, lambda: _schema(database))
    if not schema.ok:
        return [*whole, schema]  # nothing else can be asked of it
    reachable = _asked("Label Studio answers", START_LABEL_STUDIO, lambda: _reachable(studio, settings))
    checks = [*whole, schema, *_about_us(settings, database), reachable]
    with reading(database) as session:
        everyone = [(project, label_studio.get(session, project.id)) for project in projects.everyone(session)]
    for project, place in everyone:
        name = project.config.name
        way_out = f"change the project file, then `hardcase project edit {name} FILE --reason WHY`"
        checks.append(_asked(f"{name}: engine loads", way_out, partial(_engine, project, settings)))
        checks.append(_about_groups(database, project))
        if place is not None and reachable.ok:
            checks += _about_place(settings, database, studio, project, place)
        elif place is not None:
            checks.append(Check(f"{name}: in step with Label Studio", False, "could not be asked", START_LABEL_STUDIO))
    return checks


def _asked(name: str, way_out: str, ask: Callable[[], Finding]) -> Check:
    try:
        return Check(name, *ask(), way_out)
    except HardcaseError as error:
        return Check(name, False, error.message, way_out)


def _about_database(settings: Settings, database: sa.Engine) -> Iterator[Check]:
    lost = lost_of_database(settings)  # first: whoever opens the database drops what it cannot read
    if lost is not None:
        yield Check("database's log is whole", False, lost, f"{RESTORE}. Started as it is, what was lost stays lost")
        return
    yield _asked("database is sound", f"{RESTORE}. `hardcase doctor --deep` says more", lambda: sound(database))


def _about_us(settings: Settings, database: sa.Engine) -> Iterator[Check]:
    way_out = "free some space, make it writable, or move HARDCASE_HOME"
    yield _asked("home is writable", way_out, lambda: _writable(settings))
    way_out = (
        "correct the file as docs/how-to/messages.md explains, or run `hardcase messages key NAME`; under "
        "HARDCASE_LOCAL_ONLY only targets with `local: true` get messages"
    )
    yield _asked("messages.yaml", way_out, lambda: _messages(settings))
    yield from _old_vectors(settings)
    way_out = "start it with `hardcase up`; its log in the home's `logs` folder says why it ended"
    yield _asked("worker is alive", way_out, lambda: _worker(database))
    yield _asked("web answers", way_out, lambda: _web(settings))
    yield from _processes(settings)


def _schema(database: sa.Engine) -> Finding:
    check_schema(database)
    return True, f"{database.dialect.name}, newest schema"


def _writable(settings: Settings) -> Finding:
    prepare_home(settings)
    free = shutil.disk_usage(settings.home).free
    return free > LEAST_FREE_BYTES, f"{settings.home.absolute()}, {free / 2**30:.1f} GiB free"


def _messages(settings: Settings) -> Finding:
    """Whether every target can be sent its messages."""
    targets = load_messages(settings).values()
    refused = [one.group for one in targets if settings.local_only and not one.local]
    unsigned = [one.secret for one in targets if isinstance(one.to, Webhook) and not secret_for(settings, one)]
    wrong = [f"{name} is not local" for name in refused] + [f"{name} has no secret" for name in unsigned]
    return not wrong, "; ".join(wrong) or (f"{len(targets)} targets" if targets else "no targets")


def _old_vectors(settings: Settings) -> Iterator[Check]:
    """Nothing is wrong with them, but they take room."""
    folder = settings.home / "embeddings"
    if tables := old_tables(folder):
        yield Check("vectors of 0.1.0", True, f"{len(tables)} folders {folder}/*.lance are not read; delete them", "")


def _worker(database: sa.Engine) -> Finding:
    with reading(database) as session:
        newest = heartbeats.newest(session)
    if newest is None:
        return False, "no worker has ever run here"
    age = datetime.now(UTC) - newest
    return age < WORKER_STALE_AFTER, f"last heartbeat {age.total_seconds():.0f} s ago"


def _web(settings: Settings) -> Finding:
    try:
        code = httpx.get(f"{settings.address}/health", timeout=5).status_code
    except httpx.HTTPError as error:
        return False, f"{settings.address}: {type(error).__name__}"
    return code == 200, f"{settings.address} answers {code}"


def _processes(settings: Settings) -> Iterator[Check]:
    """Those of the `hardcase up` that runs here, if one does."""
    if states := read_processes(settings.home):
        bad = [one for one in states if not one.stays_up]
        found = " ".join(one.words for one in bad) or f"{', '.join(one.name for one in states)} stay up"
        yield Check("processes stay up", not bad, found, "read that log, and correct what it names")


def _reachable(studio: LabelStudio, settings: Settings) -> Finding:
    token = settings.label_studio_token.get_secret_value()
    kind = "personal access token" if is_personal_token(token) else "legacy token"
    release = studio.release()
    studio.users()  # needs the token, where the version does not
    return True, f"{studio.url}, version {release}, {kind} accepted"


def _engine(project: Project, settings: Settings) -> Finding:
    engine = make_engine(project, settings)
    return True, f"{engine.name}, revision {engine.revision}"


def _about_groups(database: sa.Engine, project: Project) -> Check:
    """Whether groups are as small and as few as near-duplicates are in most collections."""
    name = project.config.name
    with reading(database) as session:
        sizes = groups.sizes(session, project.id)
    found = f"{sizes.in_groups} of {sizes.images} images stand in groups of several, the largest of {sizes.largest}"
    kept_apart = sizes.rule is not None and sizes.rule.kind in (groups.TOO_MANY, groups.APART)
    if kept_apart and sizes.rule is not None:
        found = f"{found}; {sizes.rule.reason}"
    large = sizes.largest > LARGE_GROUP and sizes.largest > LARGE_GROUP_SHARE * sizes.images
    way_out = (
        "look at the project's page Near-duplicates; if distinct images are together, or near-duplicates apart, set "
        f"near_duplicates in the project file to a number of bits or to off and run `hardcase groups {name} --regroup`"
    )
    right = not large and not kept_apart and sizes.share <= GROUPED_SHARE
    return Check(f"{name}: near-duplicates", right, found, way_out)


def _about_place(
    settings: Settings, database: sa.Engine, studio: LabelStudio, project: Project, place: Place
) -> Iterator[Check]:
    name = project.config.name
    sync = f"run `hardcase sync {name}`"
    there = _asked(f"{name}: project is in Label Studio", GONE, lambda: _project(studio, place))
    yield there
    if not there.ok:
        return  # nothing else can be asked of it
    way_out = f"{sync}, which writes it again"
    yield _asked(f"{name}: labelling config in step", way_out, lambda: _config(studio, project, place))
    way_out = f"run `hardcase sync {name} --full`, which orders the open tasks anew"
    yield _asked(f"{name}: served by lowest score", way_out, lambda: _order(studio, database, project, place))
    way_out = (
        f"{sync}. If Label Studio refuses a private address: start it with USE_DEFAULT_BANNED_SUBNETS=false and "
        "USER_ADDITIONAL_BANNED_SUBNETS naming what stays forbidden"
    )
    yield _asked(f"{name}: webhook present", way_out, lambda: _webhook(settings, studio, project, place))
    way_out = "start the web process with `hardcase up`, or set HARDCASE_PUBLIC_URL to where Label Studio reaches it"
    yield _asked(f"{name}: webhook is received", way_out, lambda: _receiver(settings, project))
    yield _asked(f"{name}: answers are swept", f"{sync} and read its error", lambda: _lag(studio, place))


def _project(studio: LabelStudio, place: Place) -> Finding:
    return True, f"number {studio.project(place.ls_project_id).id}"


def _config(studio: LabelStudio, project: Project, place: Place) -> Finding:
    there = choices_in(studio.project(place.ls_project_id).label_config)
    wanted = project.config.answers.choices
    return set(there) == set(wanted), f"{len(there)} choices in Label Studio, {len(wanted)} here"


def _order(studio: LabelStudio, database: sa.Engine, project: Project, place: Place) -> Finding:
    """Whether every open task has a prediction of the version shown, and the first of them what was sent."""
    there = studio.project(place.ls_project_id)
    with reading(database) as session:
        waiting = [r.ls_task_id for r in reviews.open_reviews(session, project.id) if r.ls_task_id is not None]
        sent = displayed_predictions.by_task(session, project.id, waiting)
    first = dict(sorted(sent.items(), key=lambda task: task[1].score)[:COMPARED])
    shown = replace(place, model_version=there.model_version)
    unscored, unlike = without_prediction(studio, shown, waiting), unlike_sent(studio, place, first)
    found = (
        f"{there.sampling}, shows {there.model_version or 'no version'}, {len(unscored)} of {len(waiting)} without a "
        f"score, {len(unlike)} of the first {len(first)} not as sent"
    )
    in_order = there.sampling == "Uncertainty sampling" and there.model_version == (place.model_version or "")
    return in_order and not unscored and not unlike, found


def _webhook(settings: Settings, studio: LabelStudio, project: Project, place: Place) -> Finding:
    address = settings.address + path_of(project.id)
    secret = secret_of(settings.signing[0], project.id)
    right = any(
        hook.url == address and hook.is_active and hook.headers.get(HEADER) == secret
        for hook in studio.webhooks(place.ls_project_id)
    )
    return right, f"{address}: {'active, with our secret' if right else 'missing or with another secret'}"


def _receiver(settings: Settings, project: Project) -> Finding:
    """Send an event as Label Studio would, of a kind that changes nothing."""
    address = settings.address + path_of(project.id)
    headers = {HEADER: secret_of(settings.signing[0], project.id)}
    try:
        code = httpx.post(address, json={"action": "HARDCASE_DOCTOR"}, headers=headers, timeout=2).status_code
    except httpx.HTTPError as error:
        return False, type(error).__name__
    return code == 200, f"answers {code}"


def _lag(studio: LabelStudio, place: Place) -> Finding:
    """Every answer changes its task's time; one after the last sweep is not read yet."""
    changed = studio.changed(place.ls_project_id, place.swept_until)
    waiting = [c.updated_at for c in changed if c.annotations and c.updated_at != place.swept_until]
    longest = datetime.now(UTC) - min(waiting) if waiting else timedelta(0)
    found = f"{len(waiting)} not yet read, the oldest for {longest.total_seconds():.0f} s"
    return longest < LAG_TOLERATED, found

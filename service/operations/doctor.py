"""`hardcase doctor`: everything that must be right for the loop to turn, looked at one by one.

In: the settings and the database. Out: one `Check` per question, each with what was seen and the way out. Nothing
is changed, and a question that cannot be asked because an earlier one failed says so.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import sqlalchemy as sa

from db.repositories.projects import projects
from db.repositories.reviews import label_studio, reviews
from db.repositories.reviews.label_studio import Place
from db.repositories.running import heartbeats
from db.session import reading
from labeling.adapters.label_studio.client import LabelStudio
from labeling.adapters.label_studio.http import is_personal_token
from labeling.adapters.storage.vectors_of_0_1_0 import old_tables
from labeling.errors import HardcaseError
from labeling.project import Project
from labeling.review.config import choices_in
from service.label_studio.webhook import HEADER, path_of, secret_of
from service.notifications.targets import Webhook, load_messages, secret_for
from service.schema import check_schema
from service.settings import Settings
from service.work.engines.factory import make_engine

WORKER_STALE_AFTER = timedelta(seconds=30)
LEAST_FREE_BYTES = 500 * 2**20
LAG_TOLERATED = timedelta(minutes=10)
START_LABEL_STUDIO = (
    "start it with `hardcase up --label-studio`, or set HARDCASE_LABEL_STUDIO_URL and HARDCASE_LABEL_STUDIO_TOKEN"
)


@dataclass(frozen=True, slots=True)
class Check:
    """One question: whether the answer is good, what was seen, and what to do if it is not."""

    name: str
    ok: bool
    detail: str
    way_out: str = ""


Question = Callable[[], Check]


def examine(settings: Settings, database: sa.Engine, studio: LabelStudio) -> list[Check]:
    """Ask everything; what raises an error that hardcase can explain is a check that failed."""
    schema = _asked("database at head", "run `hardcase init`", lambda: _schema(database))
    if not schema.ok:
        return [schema]  # nothing else can be asked of it
    checks = [schema, *_about_us(settings, database)]
    reachable = _asked("Label Studio answers", START_LABEL_STUDIO, lambda: _reachable(studio, settings))
    checks.append(reachable)
    with reading(database) as session:
        everyone = [(project, label_studio.get(session, project.id)) for project in projects.everyone(session)]
    for project, place in everyone:
        checks.append(_engine(project, settings))
        if place is None:
            continue
        if reachable.ok:
            checks += _about_place(settings, database, studio, project, place)
        else:
            name = f"{project.config.name}: in step with Label Studio"
            checks.append(Check(name, False, "could not be asked", START_LABEL_STUDIO))
    return checks


def _asked(name: str, way_out: str, ask: Question) -> Check:
    try:
        return ask()
    except HardcaseError as error:
        return Check(name, False, error.message, way_out)


def _about_us(settings: Settings, database: sa.Engine) -> Iterator[Check]:
    yield _asked("home is writable", "make it writable, or move HARDCASE_HOME", lambda: _writable(settings))
    yield _asked("messages.yaml", "mend it; docs/how-to/messages.md explains every line", lambda: _messages(settings))
    yield from _old_vectors(settings)
    yield _worker(database)
    yield _web(settings)


def _schema(database: sa.Engine) -> Check:
    check_schema(database)
    return Check("database at head", True, f"{database.dialect.name}, newest schema")


def _writable(settings: Settings) -> Check:
    from service.settings import prepare_home

    prepare_home(settings)
    free = shutil.disk_usage(settings.home).free
    return Check(
        "home is writable",
        free > LEAST_FREE_BYTES,
        f"{settings.home.absolute()}, {free / 2**30:.1f} GiB free",
        "free some space, or move HARDCASE_HOME",
    )


def _messages(settings: Settings) -> Check:
    """Whether everybody who is to be told something can be."""
    targets = load_messages(settings).targets.values()
    refused = [one.group for one in targets if settings.local_only and not one.local]
    unsigned = [one.secret for one in targets if isinstance(one.to, Webhook) and not secret_for(settings, one)]
    wrong = [f"{name} is outside the house" for name in refused] + [f"{name} has no secret" for name in unsigned]
    seen = "; ".join(wrong) or (f"{len(targets)} targets" if targets else "nobody is told anything")
    way_out = "run `hardcase messages key NAME`; under HARDCASE_LOCAL_ONLY only targets with `local: true` are told"
    return Check("messages.yaml", not wrong, seen, way_out)


def _old_vectors(settings: Settings) -> Iterator[Check]:
    """Nothing is wrong with them, but they take room."""
    folder = settings.home / "embeddings"
    if tables := old_tables(folder):
        yield Check("vectors of 0.1.0", True, f"{len(tables)} folders {folder}/*.lance are not read; delete them")


def _worker(database: sa.Engine) -> Check:
    with reading(database) as session:
        newest = heartbeats.newest(session)
    if newest is None:
        return Check("worker is alive", False, "no worker has ever run here", "start it with `hardcase up`")
    age = datetime.now(UTC) - newest
    seen = f"last heartbeat {age.total_seconds():.0f} s ago"
    return Check(
        "worker is alive", age < WORKER_STALE_AFTER, seen, "start it with `hardcase up`; its log says why it ended"
    )


def _web(settings: Settings) -> Check:
    try:
        code = httpx.get(f"{settings.address}/health", timeout=5).status_code
    except httpx.HTTPError as error:
        return Check("web answers", False, f"{settings.address}: {type(error).__name__}", "start it with `hardcase up`")
    return Check("web answers", code == 200, f"{settings.address} answers {code}", "look into logs/web.log in the home")


def _reachable(studio: LabelStudio, settings: Settings) -> Check:
    token = settings.label_studio_token.get_secret_value()
    kind = "personal access token" if is_personal_token(token) else "legacy token"
    release = studio.release()
    studio.users()  # needs the token, where the version does not
    return Check("Label Studio answers", True, f"{studio.url}, version {release}, {kind} accepted")


def _engine(project: Project, settings: Settings) -> Check:
    name = f"{project.config.name}: engine loads"

    def load() -> Check:
        engine = make_engine(project, settings)
        return Check(name, True, f"{engine.name}, revision {engine.revision}")

    return _asked(name, f"change the project file, then `hardcase project edit {project.config.name} FILE`", load)


def _about_place(
    settings: Settings, database: sa.Engine, studio: LabelStudio, project: Project, place: Place
) -> Iterator[Check]:
    questions: dict[str, Question] = {
        "labelling config in step": lambda: _config(studio, project, place),
        "served by lowest score": lambda: _order(studio, database, project, place),
        "webhook present": lambda: _webhook(settings, studio, project, place),
        "webhook is received": lambda: _receiver(settings, project),
        "answers are swept": lambda: _lag(studio, project, place),
    }
    name = project.config.name
    for question, ask in questions.items():
        yield _asked(f"{name}: {question}", f"run `hardcase sync {name}`", ask)


def _config(studio: LabelStudio, project: Project, place: Place) -> Check:
    there = choices_in(studio.project(place.ls_project_id).label_config)
    wanted = project.config.answers.choices
    return Check(
        f"{project.config.name}: labelling config in step",
        set(there) == set(wanted),
        f"{len(there)} choices in Label Studio, {len(wanted)} here",
        f"run `hardcase sync {project.config.name}`, which writes it again",
    )


def _order(studio: LabelStudio, database: sa.Engine, project: Project, place: Place) -> Check:
    there = studio.project(place.ls_project_id)
    with reading(database) as session:
        waiting = [r.ls_task_id for r in reviews.open_reviews(session, project.id) if r.ls_task_id is not None]
    sample = list(studio.tasks(place.ls_project_id, waiting[:50]))
    unscored = [
        task.id
        for task in sample
        if not any(p["model_version"] == there.model_version and p["score"] is not None for p in task.predictions)
    ]
    shows = there.model_version or "no version"
    seen = f"{there.sampling}, shows {shows}, {len(unscored)} of {len(sample)} without a score"
    return Check(
        f"{project.config.name}: served by lowest score",
        there.sampling == "Uncertainty sampling" and not unscored,
        seen,
        f"run `hardcase sync {project.config.name}`; in Label Studio's settings the order must be uncertainty sampling",
    )


def _webhook(settings: Settings, studio: LabelStudio, project: Project, place: Place) -> Check:
    address = settings.address + path_of(project.id)
    found = [hook for hook in studio.webhooks(place.ls_project_id) if hook.url == address and hook.is_active]
    secret = secret_of(settings.signing[0], project.id)
    right = any(hook.headers.get(HEADER) == secret for hook in found)
    return Check(
        f"{project.config.name}: webhook present",
        right,
        f"{address}: {'active, with our secret' if right else 'missing or with another secret'}",
        f"run `hardcase sync {project.config.name}`. If Label Studio refuses a private address: start it with "
        "USE_DEFAULT_BANNED_SUBNETS=false and USER_ADDITIONAL_BANNED_SUBNETS naming what stays forbidden",
    )


def _receiver(settings: Settings, project: Project) -> Check:
    """Send what Label Studio would, of a kind that changes nothing."""
    address = settings.address + path_of(project.id)
    headers = {HEADER: secret_of(settings.signing[0], project.id)}
    name = f"{project.config.name}: webhook is received"
    try:
        code = httpx.post(address, json={"action": "HARDCASE_DOCTOR"}, headers=headers, timeout=2).status_code
    except httpx.HTTPError as error:
        return Check(name, False, type(error).__name__, "start the web process with `hardcase up`")
    return Check(name, code == 200, f"answers {code}", "set HARDCASE_PUBLIC_URL to where Label Studio reaches us")


def _lag(studio: LabelStudio, project: Project, place: Place) -> Check:
    """Every answer moves its task's time; one past what the last sweep saw still waits."""
    changed = studio.changed(place.ls_project_id, place.swept_until)
    waiting = [c.updated_at for c in changed if c.annotations and c.updated_at != place.swept_until]
    longest = datetime.now(UTC) - min(waiting) if waiting else timedelta(0)
    return Check(
        f"{project.config.name}: answers are swept",
        longest < LAG_TOLERATED,
        f"{len(waiting)} not yet read, the oldest for {longest.total_seconds():.0f} s",
        f"run `hardcase sync {project.config.name}` and look at its error",
    )

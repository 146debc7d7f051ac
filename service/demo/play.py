"""`hardcase demo`: the whole loop on real images, real weights and a real Label Studio, with simulated annotators.

In: which images, how many rounds, a home folder. Out: `summary.json` and `report.html` in the home, a table, and an
exit code. Once the project exists and its source is registered, nothing here starts a stage: each stage is started by
its own trigger, and this module only watches.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

import httpx
from rich.console import Console

from db.repositories.images.images import FETCH
from db.repositories.projects import projects
from db.repositories.running import failures
from db.session import reading
from db.views import dashboard, project_history
from labeling.errors import Conflict
from service.demo.annotators import Account, SimulatedAnswers
from service.demo.images import DemoImages, prepare_images
from service.demo.look_back import make_rounds, read_past, take_pictures
from service.demo.loop import Stage, turn
from service.demo.measured.finished import compare_certificate, compare_wrong_labels, read_savings, replay_all
from service.demo.measured.last_known import LastKnown
from service.demo.measured.random_arm import SEEDS
from service.demo.people import read_people
from service.demo.project import PROJECT, gold_manifest, project_file
from service.demo.report import COLUMNS, beside_table, labelled_lines, reasons, rounds_table, write_report
from service.demo.show import Show, showing
from service.demo.summary import Labelled, Summary, compare_annotations, write_summary
from service.demo.system import System, running_system
from service.operations.label_studio_server import ADMIN_EMAIL
from service.settings import load_settings
from service.work.wiring import make_parts

ERROR_RATES = (0.05, 0.05, 0.05, 0.5)
"""How often each simulated annotator is wrong; the last one is bad, and the Team page should show it."""
SEED, SEEDS_A_TEAM = 30, 100
"""Each good annotator errs in one of the 30 gold images; other seeds of the demo have other annotators. Where one of
them errs in six the rule pauses that one too, and what the other two differ about waits for a lead, whom a demo does
not have.
"""
_LOG_WIDTH = 110


def run_demo(*, images: str | None, keep: bool, rounds: int, seed: int, home: Path, as_json: bool) -> int:
    """Run the demo; 0 when every image is labelled, or it is said why not, and nothing is lost, else 1 with the reason.

    `rounds`: it ends after so many verdicts instead, unless 0. `seed`: which answers are wrong, and the project's own.
    """
    started = time.monotonic()
    width = None if (sys.stderr if as_json else sys.stdout).isatty() else _LOG_WIDTH
    console = Console(stderr=as_json, soft_wrap=True, width=width, markup=False, highlight=False)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _refuse_if_one_runs(home)
        summary, left_running = _play(
            images, keep=keep, rounds=rounds, seed=seed, home=home, console=console, started=started
        )
    except KeyboardInterrupt:
        console.print("The demo was interrupted; everything it had started was stopped.")
        return 1
    finally:
        signal.signal(signal.SIGTERM, before)
    if as_json:
        sys.stdout.write(json.dumps(summary.to_json(), ensure_ascii=False) + "\n")
    code = _verdict(summary, rounds, home, console)
    for line in left_running:
        console.print(line)
    return code


def _play(
    images: str | None, *, keep: bool, rounds: int, seed: int, home: Path, console: Console, started: float
) -> tuple[Summary, list[str]]:
    """The whole run: its summary, and with `keep` the lines that say how to log in to what still runs."""
    with showing(console) as show:
        show.say("Laying out the images.")
        _clear(home)
        prepared = prepare_images(images, home)
        show.say(f"Starting hardcase and Label Studio with {prepared.origin}.")
        with running_system(home / "hardcase", keep=keep) as system:
            stage = _set_up(system, prepared, home, seed, show)
            shown_nothing = turn(stage, rounds)
            show.say("Computing the random arm and the report.")
            summary = _report(stage, prepared, home, started, shown_nothing)
            left_running = _how_to_log_in(stage, home) if keep else []
            stage.parts.jobs.close()
            stage.database.dispose()
    return summary, left_running


def _set_up(system: System, prepared: DemoImages, home: Path, seed: int, show: Show) -> Stage:
    """Make the project from its file and register the images as its source: the last commands given by hand."""
    settings = load_settings(home=home / "hardcase", label_studio_url=system.label_studio)
    parts = make_parts(settings)
    file = home / "project.yaml"
    file.write_text(project_file(prepared, seed), encoding="utf-8")
    system.command("project", "create", str(file))
    gold = gold_manifest(prepared, home)  # before the folder is read, for it moves them out
    system.command("ingest", PROJECT, str(prepared.folder.absolute()), "--watch")
    system.command("ingest", PROJECT, str(gold.absolute()))  # alone and first they would be a collection of their own
    with reading(parts.database) as session:
        project = projects.by_name(session, PROJECT)
    team = {
        Account(f"simulated-{n}@example.com", secrets.token_urlsafe(12)): SimulatedAnswers(
            prepared.truth, project.config.classes, rate, SEED + SEEDS_A_TEAM * seed + n
        )
        for n, rate in enumerate(ERROR_RATES, 1)
    }
    return Stage(system, parts, project, team, show, LastKnown(parts, project, next(iter(team.values()))))


def _report(stage: Stage, prepared: DemoImages, home: Path, started: float, shown_nothing: int) -> Summary:
    parts, people = stage.parts, stage.first
    past = read_past(parts, stage.project)
    moment, beside = past.moment, stage.known.add(past.moment)
    stated = {account.email: answers.error_rate for account, answers in stage.team.items()}
    with reading(stage.database) as session:
        now = project_history.how_far(session, stage.project.id)
        quarantined = failures.listing(session, stage.project.id, FETCH)
        labelled = project_history.how_labelled(session, stage.project.id)
        place = dashboard.label_studio_place(session, stage.project.id)
        team = read_people(session, stage.project.id, stated)
    assert place is not None
    version, exported = _read_label_studio(stage, place.ls_project_id)
    summary = Summary(
        rounds=make_rounds(past, people),
        images=now.images,
        quarantined=len(quarantined),
        classes=len(stage.project.config.classes),
        origin=prepared.origin,
        engine=parts.engine_for(stage.project).name,
        label_studio_version=version,
        annotators=len(ERROR_RATES),
        annotator_error_rate=ERROR_RATES[0],
        random_seeds=SEEDS,
        annotations=compare_annotations(exported, [answer.ls_annotation_id for answer in past.answers]),
        people=team,
        without_prelabel_though_due=shown_nothing,
        labelled=Labelled(**asdict(labelled)),
        certificate=compare_certificate(parts, moment, people),
        savings=read_savings(moment),
        machine_labels=beside.machine_labels,
        accuracy_on_collection=beside.accuracy_on_collection,
        accuracy_on_what_is_left=beside.accuracy_on_what_is_left,
        share_of_wrong_labels=compare_wrong_labels(parts, moment, people),
        random_arm=beside.random_arm.compare(),
        earlier=beside.earlier,
        calibrated=moment.champion is not None and bool(moment.champion.report.get("calibrated")),
        replayed=replay_all(parts, stage.project.id),
        seconds=round(time.monotonic() - started, 1),
    )
    write_report(summary, take_pictures(parts, moment, people), home / "report.html")
    write_summary(summary, home / "summary.json")
    return summary


def _read_label_studio(stage: Stage, ls_project: int) -> tuple[str, list[int]]:
    """Label Studio's version, and the id of every annotation in its own export."""
    headers = {"Authorization": f"Token {stage.parts.settings.label_studio_token.get_secret_value()}"}
    with httpx.Client(base_url=stage.system.label_studio, headers=headers, timeout=60.0) as http:
        version = http.get("/api/version").raise_for_status().json()["release"]
        export = http.get(
            f"/api/projects/{ls_project}/export", params={"exportType": "JSON", "download_all_tasks": "true"}
        )
    tasks = export.raise_for_status().json()
    return str(version), [int(annotation["id"]) for task in tasks for annotation in task["annotations"]]


def _verdict(summary: Summary, rounds: int, home: Path, console: Console) -> int:
    console.print(rounds_table(summary))
    found = summary.annotations
    counts = (
        f"{summary.images} images, {found.in_label_studio} annotations in Label Studio, {found.recorded} recorded, "
        f"{found.lost} lost, {found.duplicates} twice; {summary.seconds:.0f} s. Report: {home / 'report.html'}"
    )
    again = summary.replayed
    for line in (COLUMNS, *reasons(summary), beside_table(summary), *labelled_lines(summary), counts):
        console.print(line)
    if not found.complete:
        console.print("The demo failed: Label Studio's annotations and hardcase's are not the same.")
    if missed := summary.without_prelabel_though_due:
        console.print(f"The demo failed: {missed} tasks were shown without the prediction that they should show.")
    if again.same < again.queries:
        console.print(
            f"The demo failed: {again.same} of {again.queries} queries, drawn again, came to the same images."
        )
    if waiting := 0 if rounds else summary.labelled.waiting:
        console.print(f"The demo failed: {waiting} images have neither a label nor a reason for having none.")
    right = found.complete and not missed and again.same == again.queries and not waiting
    return 0 if right and len(summary.rounds) >= rounds else 1


def _how_to_log_in(stage: Stage, home: Path) -> list[str]:
    system, settings = stage.system, stage.parts.settings
    key = system.command("key", "create", "demo", "--role", "admin")["key"]
    password, _ = (settings.home / "label-studio" / "hardcase.secret").read_text().split()
    words = " ".join(f"{name}={value}" for name, value in system.environment.items() if name.startswith("HARDCASE_"))
    (home / "running.json").write_text(json.dumps({"pid": system.process.pid}))
    return [
        "Everything is left running:",
        f"  pages         {system.web}/ with the key {key}",
        f"  Label Studio  {system.label_studio}/ as {ADMIN_EMAIL} with the password {password}",
        f"  doctor        {words} .venv/bin/hardcase doctor",
        f"  stop it all   kill {system.process.pid}",
    ]


def _clear(home: Path) -> None:
    """Empty the home; Conflict if no demo made it."""
    mark = home / ".hardcase-demo"
    if home.exists() and any(home.iterdir()) and not mark.exists():
        raise Conflict(f"{home} holds files that no demo has written. Name another folder: --home FOLDER")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    mark.touch()


def _refuse_if_one_runs(home: Path) -> None:
    """Conflict while a demo that was started with `keep` still uses this home."""
    note = home / "running.json"
    if not note.exists():
        return
    pid = int(json.loads(note.read_text())["pid"])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return
    raise Conflict(f"A demo that was kept still runs in {home}. Stop it first: kill {pid}")

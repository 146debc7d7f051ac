"""From an empty folder to the first answer, and what that weighs (P11).

Ours is what a stranger does: `hardcase init`, then the web process, until /health answers 200. The peer is Label
Studio's own first start, without a template. A bare Python is the floor. Arms take turns; the peer is slow, so it
runs once and --quick leaves it out. Beside it, the processor time (user and system) that `hardcase --help` and
`hardcase status` take, which is mostly what they import.

python -m bench.start [--quick]
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import psutil

from bench.report import at_least, at_most, emit
from labeling.errors import NotFound
from service.operations.label_studio_server import find_program
from tests import label_studio_server

Line = dict[str, object]
FIRST_200_S = 3.0
RSS_MB = 250.0
FASTER_THAN_PEER = 5.0
COMMAND_CPU_S = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, without the peer")
    quick = parser.parse_args().quick
    lines: list[Line] = []
    for _ in range(1 if quick else 5):
        lines += [bare_python(), hardcase(), commands()]
    if not quick:
        lines.append(label_studio())
    ours = [line for line in lines if line["arm"] == "hardcase"]
    first, rss = _median(ours, "first_200_s"), _median(ours, "rss_mb")
    typed = [line for line in lines if line["arm"] == "commands"]
    peer = [
        float(str(line["first_200_s"])) for line in lines if line["arm"] == "label-studio" and "first_200_s" in line
    ]
    emit(
        "start",
        {
            "first_200_s": at_most(first, FIRST_200_S),
            "rss_mb": at_most(rss, RSS_MB),
            "help_cpu_s": at_most(_median(typed, "help_cpu_s"), COMMAND_CPU_S),
            "status_cpu_s": at_most(_median(typed, "status_cpu_s"), COMMAND_CPU_S),
            "over_label_studio": at_least(peer[0] / first if peer else None, FASTER_THAN_PEER),
        },
        lines,
    )


def bare_python() -> Line:
    """The floor: an interpreter that does nothing."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return {"arm": "bare python", "first_200_s": round(time.perf_counter() - started, 3)}


def hardcase() -> Line:
    """Empty folder, init, web process, first 200."""
    with tempfile.TemporaryDirectory(prefix="bench-start") as folder:
        port = _free_port()
        environment = {**_environment(folder), "HARDCASE_PORT": str(port)}
        started = time.perf_counter()
        subprocess.run(_module("service.cli", "init"), env=environment, check=True, capture_output=True)
        init_s = time.perf_counter() - started
        process = _start(_module("service.web"), environment, Path(folder) / "web.log")
        try:
            _until_200(f"http://127.0.0.1:{port}/health", process)
            first_s = time.perf_counter() - started
            of_process = psutil.Process(process.pid)
            line: Line = {
                "arm": "hardcase",
                "first_200_s": round(first_s, 3),
                "init_s": round(init_s, 3),
                "web_s": round(first_s - init_s, 3),
                "web_cpu_s": round(sum(of_process.cpu_times()[:2]), 3),
                "rss_mb": round(of_process.memory_info().rss / 2**20, 1),
            }
        finally:
            process.terminate()
            process.wait(timeout=15)
        return line


def commands() -> Line:
    """Processor time of the two commands that people wait for most often, in a home with one project."""
    with tempfile.TemporaryDirectory(prefix="bench-start") as folder:
        environment = _environment(folder)
        project = Path(folder) / "animals.yaml"
        project.write_text("name: animals\nlabels: [cat, dog]\n")
        for words in (("init",), ("project", "create", str(project))):
            _processor_s(words, environment)
        return {
            "arm": "commands",
            "help_cpu_s": _processor_s(("--help",), environment),
            "status_cpu_s": _processor_s(("status", "animals"), environment),
        }


def label_studio() -> Line:
    """Its first start in an empty folder, migrations included; "not run" where it is not installed."""
    try:
        program = find_program()
    except NotFound as error:
        return {"arm": "label-studio", "not run": error.message}
    with tempfile.TemporaryDirectory(prefix="bench-start-ls") as folder:
        started = time.perf_counter()
        server = label_studio_server.start(program, Path(folder), _free_port(), timeout_s=600)
        first_s = time.perf_counter() - started
        try:
            of_process = psutil.Process(server.process.pid)
            tree = [of_process, *of_process.children(recursive=True)]
            rss = sum(one.memory_info().rss for one in tree)
        finally:
            server.stop()
    return {"arm": "label-studio", "first_200_s": round(first_s, 3), "rss_mb": round(rss / 2**20, 1)}


def _environment(home: str) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HARDCASE_")}
    return {**ours, "HARDCASE_HOME": home}


def _processor_s(words: Sequence[str], environment: Mapping[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(_module("service.cli", *words), env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 3)


def _module(*command: str) -> list[str]:
    return [sys.executable, "-m", *command]


def _start(command: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        return subprocess.Popen(command, env=environment, stdout=file, stderr=file)


def _until_200(address: str, process: subprocess.Popen[bytes]) -> None:
    with httpx.Client(timeout=5) as client:  # one for all tries: to make it takes the processor that the start needs
        while process.poll() is None:
            try:
                if client.get(address).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.01)
    raise RuntimeError(f"the web process ended with {process.returncode} before it answered")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _median(lines: Sequence[Line], name: str) -> float:
    return statistics.median(float(str(line[name])) for line in lines)


if __name__ == "__main__":
    main()

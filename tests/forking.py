"""Processes forked from one that has loaded their libraries: what many tests start, and kill, anew.

In: a function of a module, and its arguments. Out: its process, started. Each worker of the tests has one server for
all of them, which takes what is loaded before the first fork: so all of it is named here.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess

LOADED = (
    "altair", "cleanlab", "crowdkit.metrics.data", "labeling.learn.training", "pandas", "scipy.stats",
    "service.work.worker", "sklearn.linear_model", "tests.asking_worker", "tests.e2e.running",
    "tests.service.certify.killed", "torch",
)  # fmt: skip
"""A process that loads all of this takes 5 s of processor time; one that is forked takes 0.1 s."""
_CONTEXT = multiprocessing.get_context("forkserver")


def fork(function: Callable[..., object], *arguments: object) -> BaseProcess:
    """Run the function in a new process, which inherits nothing but what is loaded."""
    _CONTEXT.set_forkserver_preload(list(LOADED))
    process = _CONTEXT.Process(target=_run, args=(function, *arguments))
    process.start()
    return process


def _run(function: Callable[..., object], *arguments: object) -> None:
    gc.freeze()  # what is loaded stays; a pass through half a million objects is longer than some tests wait
    function(*arguments)

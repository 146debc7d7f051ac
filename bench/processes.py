"""Processes for a bench that repeats one thing: each has one thread, so that a seed gives the same numbers anywhere."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context


def processes(count: int = 2) -> ProcessPoolExecutor:
    """As many, started anew: one forked from a process that has used OpenMP's threads waits for them for ever."""
    for library in ("OMP", "OPENBLAS", "MKL"):  # read by the libraries when the new processes load them
        os.environ[f"{library}_NUM_THREADS"] = "1"
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"))

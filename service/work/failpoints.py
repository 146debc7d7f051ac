"""Named points at which a test kills the process: `HARDCASE_FAILPOINT=name:n` dies at the n-th pass of `name`.

Every step that writes has one before and one after its transaction; `NAMES` lists them, and a test kills a
real worker at each.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

NAMES = (
    "fetch.before_store",
    "fetch.before_write",
    "fetch.after_write",
    "prelabel.before_vectors",
    "prelabel.before_write",
    "prelabel.after_write",
    "select.before_write",
    "select.after_write",
    "push.before_import",
    "push.before_write",
    "push.after_write",
    "escalate.before_write",
    "escalate.after_write",
    "sync.before_write",
    "sync.after_write",
    "learn.before_artifact",
    "learn.before_write",
    "learn.after_write",
    "promote.before_write",
    "promote.after_write",
    "predict.before_file",
    "predict.before_write",
    "predict.after_write",
)
"""Those of the loop."""
BESIDE = (
    "adopt.before_write",
    "certify.before_terms",
    "certify.after_terms",
    "certify.before_write",
    "certify.after_write",
    "certify.after_delivery",
    "certify.before_end",
    "certify.after_end",
    "certify.after_taking_back",
    "certify.before_audit",
    "certify.after_audit",
    "certify.before_count",
    "certify.after_count",
    "adopt.before_tell",
    "adopt.after_tell",
    "delete.before_rows",
    "delete.after_logs",
    "delete.after_rows",
    "delete.before_holders",
    "delete.before_note",
    "delete.before_end",
    "grouping.after_moves",
    "messages.before_send",
    "messages.before_note",
)
"""Those of jobs that the loop does not need."""


class Failpoints:
    """Counts passes; without a setting it does nothing."""

    def __init__(self, setting: str) -> None:
        name, _, nth = setting.partition(":")
        if name and name not in (*NAMES, *BESIDE):
            raise ValueError(f"unknown failpoint {name!r}")
        self._name, self._nth = name, int(nth or 1)
        self._passes: Counter[str] = Counter()

    def __call__(self, name: str) -> None:
        assert name in (*NAMES, *BESIDE), name
        self._passes[name] += 1
        if name == self._name and self._passes[name] == self._nth:
            os.kill(os.getpid(), signal.SIGKILL)

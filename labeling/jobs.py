"""Names of jobs, of what starts them, and of the roles of a key."""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "JobName",
    "Role",
    "Trigger",
]


class JobName(StrEnum):
    """The background jobs, named after the loop. `sweep` asks all of them what is left to do.

    `explain` draws second pictures for annotators; `escalate` lets dearer engines look at what is still in doubt;
    `engines` tries, compares or plans engines for a person who asked; `quality` counts people's answers, `inspect`
    looks for wrong labels and drift; `adopt` takes over tasks that were made in Label Studio; `messages` delivers
    alarms and summaries; `tidy` removes what no row names.
    """

    INGEST = "ingest"
    PRELABEL = "prelabel"
    ESCALATE = "escalate"
    SELECT = "select"
    REVIEW = "review"
    EXPLAIN = "explain"
    LEARN = "learn"
    PROMOTE = "promote"
    FIGURES = "figures"
    ENGINES = "engines"
    QUALITY = "quality"
    INSPECT = "inspect"
    ADOPT = "adopt"
    MESSAGES = "messages"
    SWEEP = "sweep"
    TIDY = "tidy"


class Trigger(StrEnum):
    """What made a stage run; kept with every query, version and verdict."""

    SOURCE = "source"
    INGESTED = "ingested"
    PRELABELED = "prelabeled"
    SELECTED = "selected"
    ANSWERED = "answered"
    LEARNED = "learned"
    PROMOTED = "promoted"
    SCHEDULE = "schedule"
    HAND = "by hand"


class Role(StrEnum):
    """What an API key may do. Each role may also read."""

    ADMIN = "admin"
    ENGINEER = "engineer"
    INGEST = "ingest"
    READ = "read"

"""Names of jobs, of what starts them, and of the roles of a key."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["JobName", "Role", "Trigger"]


class JobName(StrEnum):
    """The background jobs, named after the loop. `sweep` asks all of them what is left to do.

    `group` makes near-duplicate groups anew; `explain` draws overlays for annotators; `escalate` sends the images that
    are still in doubt to more expensive engines; `engines` tries, compares or plans engines on request; `compare`
    compares two versions on request; `quality` counts people's answers; `certify` tries the certificate that is due,
    and ends those that do not hold any more; `inspect` searches for wrong labels and drift; `adopt` takes over tasks
    that were made in Label Studio; `delete` removes for good what a person had deleted; `messages` delivers alarms and
    summaries; `tidy` removes stored files that no row names.
    """

    INGEST = "ingest"
    PRELABEL = "prelabel"
    ESCALATE = "escalate"
    SELECT = "select"
    REVIEW = "review"
    EXPLAIN = "explain"
    LEARN = "learn"
    PROMOTE = "promote"
    GROUP = "group"
    FIGURES = "figures"
    ENGINES = "engines"
    COMPARE = "compare"
    QUALITY = "quality"
    CERTIFY = "certify"
    INSPECT = "inspect"
    ADOPT = "adopt"
    DELETE = "delete"
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

"""Every error that hardcase raises on purpose, in one tree.

HardcaseError
├── NotFound            what was named does not exist, or the caller may not read it
│   └── Damaged         what is kept of it is not what was written, so it is not given out
├── Conflict            the request contradicts the present state
│   ├── NothingToLearnFrom   a fit was asked for and the labels do not allow one
│   ├── OverBudget      a call that might cost more than is left
│   └── EnginePaused    an engine that obeys orders in pictures or beside them
├── Invalid             the input cannot be used as it is
│   ├── BadImage        bytes that are not an image which we accept
│   ├── BadAddress      an address that may not be fetched
│   ├── BadArchive      an archive over its limits, or with members that may not be unpacked
│   └── BadArtifact     a saved classifier that does not match its card
├── Unauthenticated     the caller gave no key, or none that is in force
├── Denied              the caller is known and may not do this
└── Unavailable         something outside did not answer; trying again later may work (retryable)
    ├── LabelStudioUnavailable
    ├── EndpointUnavailable   a model's endpoint refused for now (429, 5xx), or is not called for a while
    │   └── EndpointSilent    it was sent a question and no answer came: it may have been paid for
    ├── DatabaseDamaged the database's file is not whole: nothing can be read or written until it is restored
    ├── BacklogFull     too much was registered that the worker has not fetched yet
    ├── TooOften        somebody asked too often within a minute
    └── StorageFull     no room left to write

The message is written for the user and says what to do next; facts travel as attributes.
"""

from __future__ import annotations

import errno

__all__ = [
    "NO_ROOM",
    "SPENT",
    "BacklogFull",
    "BadAddress",
    "BadArchive",
    "BadArtifact",
    "BadImage",
    "Conflict",
    "Damaged",
    "DatabaseDamaged",
    "Denied",
    "EndpointSilent",
    "EndpointUnavailable",
    "EnginePaused",
    "HardcaseError",
    "Invalid",
    "LabelStudioUnavailable",
    "NotFound",
    "NothingToLearnFrom",
    "OverBudget",
    "StorageFull",
    "TooOften",
    "Unauthenticated",
    "Unavailable",
    "not_written",
]

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a system says when no room is left to write: a disk, a quota, the largest file that is allowed."""
SPENT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOBUFS})
"""What a machine says when it has no more of something: no fault of what was asked for."""


class HardcaseError(Exception):
    """An error that hardcase can explain to the user."""

    def __init__(self, message: str | None = None, **facts: object) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.facts = facts

    @property
    def message(self) -> str:
        return str(self)


class NotFound(HardcaseError):
    """There is no such thing here, or this key may not see it."""


class Damaged(NotFound):
    """What is kept of this is not what was written. `hardcase doctor --deep` says what to do."""


class Conflict(HardcaseError):
    """This contradicts the present state."""


class NothingToLearnFrom(Conflict):
    """There are not yet labels of at least two classes to learn from."""


class OverBudget(Conflict):
    """The budget does not allow this call. Raise `policy: budget:` or leave the rest to people."""


class EnginePaused(Conflict):
    """This engine is paused: it obeyed orders that were written in pictures or beside them. Use another."""


class Invalid(HardcaseError):
    """This cannot be used as it is."""


class BadImage(Invalid):
    """These bytes are not an image that can be used."""


class BadAddress(Invalid):
    """This address may not be fetched."""


class BadArchive(Invalid):
    """This archive may not be unpacked."""


class BadArtifact(Invalid):
    """This saved classifier does not match its card."""


class Unauthenticated(HardcaseError):
    """No key was given, or none that is in force. `hardcase key create` makes one."""


class Denied(HardcaseError):
    """This key may not do that."""


class Unavailable(HardcaseError):
    """Something that is needed did not answer. Trying again later may work."""


class LabelStudioUnavailable(Unavailable):
    """Label Studio did not answer. Is it running, and is its address right?"""


class EndpointUnavailable(Unavailable):
    """The endpoint does not answer for now. It is tried again later."""


class EndpointSilent(EndpointUnavailable):
    """The endpoint was sent a question and did not answer; whether it was paid for is not known."""


class BacklogFull(Unavailable):
    """The worker is far behind with fetching what was registered. Wait, then send the same again."""


class TooOften(Unavailable):
    """This was asked too often within a minute. Wait as long as `Retry-After` says, then go on."""

    def __init__(self, wait_s: float = 60.0) -> None:
        super().__init__()
        self.wait_s = wait_s


class DatabaseDamaged(Unavailable):
    """The database is damaged. Stop hardcase, run `hardcase doctor --deep`, and do as it says."""


class StorageFull(Unavailable):
    """There is no room left to write. Free some space; nothing acknowledged was lost."""


def not_written(place: object, error: OSError, way_out: str) -> HardcaseError:
    """What to say of a place that could not be written: StorageFull where no room is left, else Invalid.

    >>> not_written("/srv/out", OSError(errno.EACCES, "Permission denied"), "Name another.").message
    '/srv/out cannot be written (Permission denied). Name another.'
    """
    if error.errno in NO_ROOM:
        return StorageFull(f"There is no room to write {place}. Free some space and try again.")
    return Invalid(f"{place} cannot be written ({error.strerror}). {way_out}")

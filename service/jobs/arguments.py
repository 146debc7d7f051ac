"""What a job is told besides its project and its trigger: one frozen value a job, stored as one line of JSON.

In: a job's name with its arguments, or with what the durable engine stored of them. Out: the stored form, or the
arguments. A job that is told nothing but defaults stores nothing, so that equal requests are one job that waits. The
loose strings that version 0.1.0 stored are read as well: such jobs may still wait when a newer worker starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

import msgspec

from labeling.errors import Invalid
from labeling.jobs import JobName
from service.jobs.engine_requests import EngineRequest, read_request


@dataclass(frozen=True, slots=True)
class SelectArguments:
    """`force`: choose images for people even if enough reviews are still open."""

    force: bool = False


@dataclass(frozen=True, slots=True)
class ReviewArguments:
    """`full`: also look for what was deleted in Label Studio, over all tasks."""

    full: bool = False


@dataclass(frozen=True, slots=True)
class LearnArguments:
    """`now`: a job of its own, not joined to one that waits for another reason and may find that nothing is due."""

    now: bool = False


@dataclass(frozen=True, slots=True)
class DecisionByHand:
    """What a person decided about versions: put this `version` in use, or leave it for the champion before it.

    To roll back, version 0 stands for whoever is champion when the job runs.
    """

    action: Literal["promote", "rollback"]
    version: int
    author: str
    reason: str


@dataclass(frozen=True, slots=True)
class PromoteArguments:
    """`by_hand`: what a person decided; None lets the gate judge the newest candidate."""

    by_hand: DecisionByHand | None = None


@dataclass(frozen=True, slots=True)
class EnginesArguments:
    """The report on engines that is wanted, and by whom."""

    request: EngineRequest
    asked_by: str


Arguments: TypeAlias = SelectArguments | ReviewArguments | LearnArguments | PromoteArguments | EnginesArguments

ARGUMENTS: Mapping[JobName, type[Arguments]] = {
    JobName.SELECT: SelectArguments,
    JobName.REVIEW: ReviewArguments,
    JobName.LEARN: LearnArguments,
    JobName.PROMOTE: PromoteArguments,
    JobName.ENGINES: EnginesArguments,
}
"""The jobs that take arguments; the others take none."""


def stored_arguments(job: JobName, arguments: Arguments | None) -> tuple[str, ...]:
    """What the durable engine stores: one line of JSON, nothing for defaults. Invalid for another job's arguments.

    >>> stored_arguments(JobName.SELECT, SelectArguments(force=True))
    ('{"force":true}',)
    >>> stored_arguments(JobName.SELECT, SelectArguments())
    ()
    """
    shape = ARGUMENTS.get(job)
    if arguments is None:
        read_arguments(job, ())  # a job that cannot go without is refused when it is asked for, not when it runs
        return ()
    if shape is None or not isinstance(arguments, shape):
        raise Invalid(f"The job {job.value} does not take {type(arguments).__name__}. {_takes(job)}")
    return () if arguments == _default(shape) else (msgspec.json.encode(arguments).decode(),)


def read_arguments(job: JobName, stored: Sequence[str]) -> Arguments | None:
    """The arguments that were stored, by this version or by 0.1.0; None for a job that takes none.

    Invalid for whatever the job does not know: a job that was told something else must not run as if it were not.

    >>> read_arguments(JobName.REVIEW, ('{"full":true}',)) == read_arguments(JobName.REVIEW, ("full",))
    True
    """
    shape = ARGUMENTS.get(job)
    if shape is None:
        if stored:
            raise _refusal(job, stored, "it takes none")
        return None
    if not stored:
        return _default_or_refuse(job, shape)
    if len(stored) == 1 and stored[0].startswith("{"):
        return _decoded(job, shape, stored[0])
    return _read_old(job, stored)


def _default(shape: type[Arguments]) -> Arguments | None:
    """The arguments of a job that was told nothing; None where it must be told something."""
    return None if shape is EnginesArguments else cast(Callable[[], Arguments], shape)()


def _default_or_refuse(job: JobName, shape: type[Arguments]) -> Arguments:
    found = _default(shape)
    if found is None:
        raise _refusal(job, (), "it needs some")
    return found


def _decoded(job: JobName, shape: type[Arguments], text: str) -> Arguments:
    try:
        found: Arguments = msgspec.json.decode(text, type=shape)
        unknown = _names(msgspec.json.decode(text)) - _names(msgspec.to_builtins(found))
    except (msgspec.DecodeError, Invalid) as error:
        raise _refusal(job, (text,), str(error)) from error
    if unknown:
        raise _refusal(job, (text,), f"it does not know {', '.join(sorted(unknown))}")
    return found


def _names(document: object, before: str = "") -> set[str]:
    """Every field of a document, with those of the documents in it; the decoder passes over unknown ones."""
    if not isinstance(document, dict):
        return set()
    names = {f"{before}{name}" for name in document}
    return names.union(*(_names(value, f"{before}{name}.") for name, value in document.items()))


def _read_old(job: JobName, stored: Sequence[str]) -> Arguments:
    """The strings that version 0.1.0 stored."""
    match (job, *stored):
        case (JobName.SELECT, "force"):
            return SelectArguments(force=True)
        case (JobName.REVIEW, "full"):
            return ReviewArguments(full=True)
        case (JobName.LEARN, "now"):
            return LearnArguments(now=True)
        case (JobName.PROMOTE, "promote" | "rollback" as action, str(number), str(author), str(reason)) if (
            number.isascii() and number.isdigit()
        ):
            return PromoteArguments(DecisionByHand(cast(Any, action), int(number), author, reason))
        case (JobName.ENGINES, str(request), str(asked_by)):
            return EnginesArguments(read_request(request), asked_by)
    raise _refusal(job, stored, "it does not know them")


def _refusal(job: JobName, stored: Sequence[str], why: str) -> Invalid:
    given = ", ".join(str(one) for one in stored)[:200] or "nothing"
    return Invalid(f"The job {job.value} cannot use these arguments ({given}): {why}. {_takes(job)}")


def _takes(job: JobName) -> str:
    shape = ARGUMENTS.get(job)
    return "Ask for it without arguments." if shape is None else f"Ask for it anew, with {shape.__name__}."

"""The arguments of jobs besides project and trigger: one frozen value a job, stored as one line of JSON.

In: a job's name with its arguments, or with what the durable engine stored of them. Out: the stored form, or the
arguments. Default arguments store nothing, so that equal requests are one waiting job. The separate strings that
version 0.1.0 stored are read as well: such jobs may still wait when a newer worker starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, cast

import msgspec

from labeling.conversion import decode
from labeling.errors import Invalid
from labeling.jobs import JobName
from service.jobs.engine_requests import EngineRequest, read_request


class _Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Stored as JSON without its defaults; another field than its own is an error."""


class SelectArguments(_Stored, frozen=True):
    """`force`: choose images for people even if enough reviews are still open."""

    force: bool = False


class ReviewArguments(_Stored, frozen=True):
    """`full`: also look for what was deleted in Label Studio, over all tasks."""

    full: bool = False


class GroupArguments(_Stored, frozen=True):
    """`dry_run`: only count what would change if all near-duplicate groups were made anew."""

    dry_run: bool = False


class LearnArguments(_Stored, frozen=True):
    """`now`: a job of its own, not joined to one that waits for another reason and may find that nothing is due."""

    now: bool = False


class DecisionByHand(_Stored, frozen=True):
    """What a person decided about versions: put this `version` in use, or leave it for the champion before it.

    For a rollback, version 0 is the champion at the time when the job runs.
    """

    action: Literal["promote", "rollback"]
    version: int
    author: str
    reason: str


class PromoteArguments(_Stored, frozen=True):
    """`by_hand`: what a person decided; None lets the gate judge the newest candidate."""

    by_hand: DecisionByHand | None = None


class EnginesArguments(_Stored, frozen=True):
    """The requested report on engines, and who asked for it."""

    request: EngineRequest
    asked_by: str


class CompareArguments(_Stored, frozen=True):
    """Two versions to compare, by number: 0 is the newest as `first`, the champion as `second`.

    `limit` is how many of the images that change are named at most.
    """

    first: int = 0
    second: int = 0
    limit: int = 20
    asked_by: str = ""


Arguments: TypeAlias = (
    SelectArguments
    | ReviewArguments
    | GroupArguments
    | LearnArguments
    | PromoteArguments
    | EnginesArguments
    | CompareArguments
)

ARGUMENTS: Mapping[JobName, type[Arguments]] = {
    JobName.SELECT: SelectArguments,
    JobName.REVIEW: ReviewArguments,
    JobName.GROUP: GroupArguments,
    JobName.LEARN: LearnArguments,
    JobName.PROMOTE: PromoteArguments,
    JobName.ENGINES: EnginesArguments,
    JobName.COMPARE: CompareArguments,
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
        read_arguments(job, ())  # a job that needs arguments is refused when it is asked for, not when it runs
        return ()
    if shape is None or not isinstance(arguments, shape):
        raise Invalid(f"The job {job.value} does not take {type(arguments).__name__}. {_takes(job)}")
    text = msgspec.json.encode(arguments).decode()
    return () if text == "{}" else (text,)


def read_arguments(job: JobName, stored: Sequence[str]) -> Arguments | None:
    """The arguments that were stored, by this version or by 0.1.0; None for a job that takes none.

    Invalid for arguments that the job does not know: it must not run without them.

    >>> read_arguments(JobName.REVIEW, ('{"full":true}',)) == read_arguments(JobName.REVIEW, ("full",))
    True
    """
    shape = ARGUMENTS.get(job)
    if shape is None:
        if stored:
            raise _refusal(job, stored, "it takes none")
        return None
    if len(stored) > 1 or not all(text.startswith("{") for text in stored):
        return _read_old(job, stored)
    try:
        found: Arguments = decode(stored[0] if stored else "{}", shape)
    except (msgspec.DecodeError, Invalid) as error:
        raise _refusal(job, stored, str(error) if stored else "it needs some") from error
    return found


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

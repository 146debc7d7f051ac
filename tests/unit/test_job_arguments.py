"""Arguments of jobs: stored as JSON, read as they were written, and refused where a job does not know them."""

from __future__ import annotations

import pytest

from labeling.errors import Invalid
from labeling.jobs import JobName
from service.jobs.arguments import (
    ARGUMENTS,
    Arguments,
    CompareArguments,
    DecisionByHand,
    EnginesArguments,
    GroupArguments,
    LearnArguments,
    PromoteArguments,
    ReviewArguments,
    SelectArguments,
    read_arguments,
    stored_arguments,
)
from service.jobs.engine_requests import EngineRequest, ReportKind

PLAN = EngineRequest(kind=ReportKind.PLAN, engines=("scripted",), pilot=3)
EXAMPLES: dict[JobName, tuple[Arguments, ...]] = {
    JobName.GROUP: (GroupArguments(), GroupArguments(dry_run=True)),
    JobName.SELECT: (SelectArguments(), SelectArguments(force=True)),
    JobName.REVIEW: (ReviewArguments(), ReviewArguments(full=True)),
    JobName.LEARN: (LearnArguments(), LearnArguments(now=True)),
    JobName.PROMOTE: (
        PromoteArguments(),
        PromoteArguments(DecisionByHand("promote", 3, "änna", 'new "camera"\n')),
        PromoteArguments(DecisionByHand("rollback", 0, "{", "")),
    ),
    JobName.ENGINES: (EnginesArguments(PLAN, "anna"),),
    JobName.COMPARE: (CompareArguments(), CompareArguments(3, 2, 5, "änna")),
}


@pytest.mark.parametrize("job", JobName)
def test_every_job_that_takes_arguments_reads_what_it_stored(job: JobName) -> None:
    examples = EXAMPLES.get(job, (None,))

    read = [read_arguments(job, stored_arguments(job, one)) for one in examples]

    assert read == list(examples)
    assert {type(one) for one in read} == {ARGUMENTS.get(job, type(None))}


@pytest.mark.parametrize("job", JobName)
def test_a_job_asked_for_without_arguments_stores_none_or_is_refused(job: JobName) -> None:
    if job is JobName.ENGINES:
        with pytest.raises(Invalid, match=r"engines cannot use .*\(nothing\): it needs some.*EnginesArguments"):
            stored_arguments(job, None)
        return

    assert stored_arguments(job, None) == ()


@pytest.mark.parametrize(
    ("job", "stored", "meant"),
    [
        (JobName.SELECT, ("force",), SelectArguments(force=True)),
        (JobName.REVIEW, ("full",), ReviewArguments(full=True)),
        (JobName.LEARN, ("now",), LearnArguments(now=True)),
        (
            JobName.PROMOTE,
            ("promote", "3", "anna", "{new camera"),
            PromoteArguments(DecisionByHand("promote", 3, "anna", "{new camera")),
        ),
        (JobName.PROMOTE, ("rollback", "0", "anna", ""), PromoteArguments(DecisionByHand("rollback", 0, "anna", ""))),
        (
            JobName.ENGINES,
            ('{"kind":"plan","engines":["scripted"],"image_id":null,"limit":200,"pilot":3}', "anna"),
            EnginesArguments(PLAN, "anna"),
        ),
    ],
)
def test_what_version_0_1_0_stored_is_understood(job: JobName, stored: tuple[str, ...], meant: Arguments) -> None:
    assert read_arguments(job, stored) == meant


@pytest.mark.parametrize(
    ("job", "stored"),
    [
        (JobName.SELECT, ("full",)),
        (JobName.SELECT, ("force", "force")),
        (JobName.SELECT, ('{"force":1}',)),
        (JobName.SELECT, ('{"force":"true"}',)),
        (JobName.SELECT, ('{"full":true}',)),
        (JobName.SELECT, ('{"force":true,"full":true}',)),
        (JobName.SELECT, ('{"force":true',)),
        (JobName.SELECT, ("[true]",)),
        (JobName.SELECT, ("",)),
        (JobName.PROMOTE, ("promote", "three", "anna", "")),
        (JobName.PROMOTE, ("demote", "3", "anna", "")),
        (JobName.PROMOTE, ('{"by_hand":{"action":"demote","version":3,"author":"anna","reason":""}}',)),
        (JobName.PROMOTE, ('{"by_hand":{"action":"promote","version":3,"author":"anna","reason":"","to":1}}',)),
        (JobName.PROMOTE, ('{"by_hand":{"action":"promote","version":3}}',)),
        (JobName.ENGINES, ('{"request":{"kind":"try"},"asked_by":"anna"}',)),
        (JobName.ENGINES, ('{"request":{"kind":"plan","cheap":true},"asked_by":"anna"}',)),
        (JobName.ENGINES, ("plan", "anna")),
        (JobName.FIGURES, ("force",)),
    ],
)
def test_unknown_or_wrong_arguments_are_refused_with_the_way_out(job: JobName, stored: tuple[str, ...]) -> None:
    with pytest.raises(
        Invalid, match=r"Ask for it (anew, with \w+Arguments|without arguments)\.|request about engines"
    ):
        read_arguments(job, stored)


@pytest.mark.parametrize("job", [JobName.SELECT, JobName.FIGURES])
def test_arguments_of_another_job_are_refused_when_it_is_asked_for(job: JobName) -> None:
    with pytest.raises(Invalid, match=f"The job {job} does not take ReviewArguments"):
        stored_arguments(job, ReviewArguments(full=True))

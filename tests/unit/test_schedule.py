"""Times at which a version is fitted, and quiet hours: of a time zone, over midnight, and what cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from labeling.errors import Invalid
from labeling.project import Schedule
from labeling.schedule import check_schedule, is_quiet, last_time
from service.projects.project_file import parse_project


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("learn", "timezone", "now", "last"),
    [
        ("0 3 * * *", "UTC", "2026-05-04T03:00:30", "2026-05-04T03:00"),
        ("0 3 * * 1-5", "UTC", "2026-05-03T12:00", "2026-05-01T03:00"),  # a Sunday: the Friday before
        ("*/20 * * * *", "UTC", "2026-05-04T03:59", "2026-05-04T03:40"),
        ("0 3 * * *", "Europe/Vienna", "2026-07-01T05:00", "2026-07-01T01:00"),
        ("0 3 * * *", "Europe/Vienna", "2026-12-01T05:00", "2026-12-01T02:00"),
        ("0 12 29 2 *", "UTC", "2026-05-04T00:00", "2024-02-29T12:00"),
    ],
)
def test_the_last_time_is_of_the_time_zone_and_before_now(learn: str, timezone: str, now: str, last: str) -> None:
    assert last_time(Schedule(learn=learn, timezone=timezone), at(now)) == at(last)


def test_without_times_none_has_come_and_without_hours_it_is_never_quiet() -> None:
    assert last_time(Schedule(), at("2026-05-04T00:00")) is None
    assert not any(is_quiet(Schedule(), at("2026-05-04T00:00") + timedelta(hours=hour)) for hour in range(24))


@pytest.mark.parametrize(("quiet", "hours"), [("08:00-18:00", range(8, 18)), ("22:00-06:00", (22, 23, *range(6)))])
def test_quiet_hours_are_of_the_time_zone_and_go_over_midnight(quiet: str, hours: range) -> None:
    summer = at("2026-07-01T00:00")
    schedule = Schedule(quiet=quiet, timezone="Europe/Vienna")  # two hours ahead

    found = {hour for hour in range(24) if is_quiet(schedule, summer + timedelta(hours=hour - 2))}

    assert found == set(hours)


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        ("{learn: daily}", "names no times"),
        ("{learn: '0 3 * *'}", "names no times"),
        ("{learn: '0 25 * * *'}", "names no times"),
        ("{learn: '0 3 * * * *'}", "names no times"),
        ("{learn: '0 3 30 2 *'}", "a day that never comes"),
        ("{quiet: nights}", "names no hours"),
        ("{quiet: '24:00-06:00'}", "names no hours"),
        ("{quiet: '08:00-08:00'}", "begins when it ends"),
        ("{timezone: Vienna/Europe}", "is not known"),
        ("{timezone: ../../etc/passwd}", "is not known"),
        ("{learns: '0 3 * * *'}", "learns"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(schedule: str, says: str) -> None:
    with pytest.raises(Invalid, match=says) as refused:
        parse_project(f"name: p\nlabels: [a, b]\npolicy: {{schedule: {schedule}}}\n")

    assert "policy.schedule" in refused.value.message


def test_what_the_file_says_is_held() -> None:
    text = "name: p\nlabels: [a, b]\npolicy: {schedule: {learn: 0 3 * * 1-5, quiet: 08:00-18:00}}\n"

    held = parse_project(text).policy.schedule

    assert held == Schedule("0 3 * * 1-5", "08:00-18:00", "UTC")
    check_schedule(held)

"""When a project fits a version by the clock: at times written as for cron, and never by itself in quiet hours.

In: a schedule and a moment. Out: the last time that has come, and whether it is quiet. Times of day are those of the
schedule's time zone, summer time included.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter
from croniter.croniter import CroniterBadDateError, CroniterError

from labeling.errors import Invalid
from labeling.project import Schedule

__all__ = ["check_schedule", "is_quiet", "last_time"]

FIELDS = 5
"""Minute, hour, day of the month, month, day of the week."""
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def check_schedule(schedule: Schedule) -> None:
    """Raises
    ------
    Invalid
        When its times, its hours or its time zone cannot be read, or its times never come.

    Examples
    --------
    >>> check_schedule(Schedule(learn="0 3 * * 1-5", quiet="08:00-18:00", timezone="Europe/Vienna"))
    """
    _zone(schedule)
    if schedule.learn:
        last_time(schedule, datetime(2026, 1, 1, tzinfo=UTC))
    if schedule.quiet:
        _hours(schedule)


def last_time(schedule: Schedule, now: datetime) -> datetime | None:
    """The last moment before `now` at which a version was to be fitted; None where the schedule names no times.

    Examples
    --------
    >>> last_time(Schedule(learn="0 3 * * *"), datetime(2026, 5, 4, 2, tzinfo=UTC)).isoformat()
    '2026-05-03T03:00:00+00:00'
    """
    if not schedule.learn:
        return None
    wrong = f"`learn: {schedule.learn}` names no times. Write minute, hour, day, month and weekday: `0 3 * * 1-5`"
    if len(schedule.learn.split()) != FIELDS:
        raise Invalid(wrong)
    try:
        found: datetime = croniter(schedule.learn, now.astimezone(_zone(schedule))).get_prev(datetime)
    except CroniterBadDateError as error:
        raise Invalid(f"`learn: {schedule.learn}` names a day that never comes") from error
    except (CroniterError, ValueError) as error:
        raise Invalid(wrong) from error
    return found.astimezone(UTC)


def is_quiet(schedule: Schedule, now: datetime) -> bool:
    """Whether `now` lies in the quiet hours; they begin with their first minute and end before their last.

    Examples
    --------
    >>> night = Schedule(quiet="22:00-06:00")
    >>> [is_quiet(night, datetime(2026, 5, 4, hour, tzinfo=UTC)) for hour in (5, 6, 21, 22)]
    [True, False, False, True]
    """
    if not schedule.quiet:
        return False
    begin, end = _hours(schedule)
    at = now.astimezone(_zone(schedule)).time()
    return begin <= at < end if begin < end else at >= begin or at < end


def _hours(schedule: Schedule) -> tuple[time, time]:
    found = _HOURS.fullmatch(schedule.quiet)
    if found is None:
        raise Invalid(f"`quiet: {schedule.quiet}` names no hours. Write them as `08:00-18:00`, in quotes")
    first, second, third, fourth = map(int, found.groups())
    begin, end = time(first, second), time(third, fourth)
    if begin == end:
        raise Invalid(f"`quiet: {schedule.quiet}` begins when it ends; leave it out, or name two times")
    return begin, end


def _zone(schedule: Schedule) -> ZoneInfo:
    try:
        return ZoneInfo(schedule.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid(f"`timezone: {schedule.timezone}` is not known; write it as `Europe/Vienna` or `UTC`") from error

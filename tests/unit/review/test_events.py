"""What is taken from a webhook's body, and what is not."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.errors import Invalid
from labeling.review.events import ACTIONS, MAX_IDS, Event, read_event

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
NAMES = ("annotation", "annotations", "task", "tasks")


def read(**body: Any) -> Event | None:
    return read_event(json.dumps(body).encode())


@pytest.mark.parametrize("action", ["ANNOTATION_CREATED", "ANNOTATION_UPDATED"])
def test_an_answer_names_its_annotation_and_its_task(action: str) -> None:
    annotation = {"id": 76, "result": [], "was_cancelled": False, "task": 22320, "project": 24, "completed_by": 1}
    project = {"id": 24, "token": "invite", "task_data_password": None}

    event = read(action=action, annotation=annotation, task={"id": 22320, "data": {}}, project=project)

    assert event == Event(action, (22320,), (76,))


def test_a_bulk_action_names_all_in_lists() -> None:
    event = read(
        action="ANNOTATIONS_CREATED",
        annotation=[{"id": 2, "task": 11}, {"id": 1, "task": 12}],
        task=[{"id": 12}, {"id": 11}],
    )

    assert event == Event("ANNOTATIONS_CREATED", (11, 12), (1, 2))


def test_a_deletion_carries_only_ids() -> None:
    annotations = read(action="ANNOTATIONS_DELETED", annotations=[{"id": 59}], project={"id": 1})
    tasks = read(action="TASKS_DELETED", tasks=[{"id": 22301}, {"id": 22302}], project={"id": 1})

    assert annotations == Event("ANNOTATIONS_DELETED", (), (59,))
    assert tasks == Event("TASKS_DELETED", (22301, 22302), ())


def test_a_hook_without_payload_still_tells_that_something_changed() -> None:
    assert read(action="ANNOTATION_CREATED") == Event("ANNOTATION_CREATED", (), ())


@pytest.mark.parametrize("action", ["PROJECT_UPDATED", "TASKS_CREATED", "LABEL_LINK_CREATED", "", "annotation_created"])
def test_other_actions_are_no_events_of_ours(action: str) -> None:
    assert read(action=action, tasks=[{"id": 1}]) is None


@pytest.mark.parametrize("odd", [2**63, 0, -1, "7", 1.5, None, True, [1], {"id": 1}])
def test_an_id_of_an_unknown_form_is_left_out_and_the_event_kept(odd: object) -> None:
    event = read(action="ANNOTATION_UPDATED", annotation={"id": odd, "task": 5}, task={"id": 9})

    assert event == Event("ANNOTATION_UPDATED", (9,), ())


def test_an_event_keeps_a_bounded_number_of_ids() -> None:
    event = read(action="TASKS_DELETED", tasks=[{"id": i + 1} for i in range(MAX_IDS + 5)])

    assert event is not None
    assert event.task_ids == tuple(range(1, MAX_IDS + 1))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"action":7}',
        b'{"action":"ANNOTATION_CREATED"',
        b'{"action":"ANNOTATION_CREATED","task":NaN}',
        b"\xff\xfe",
        b'{"action":"\xff"}',
        b'{"action":' + b"[" * 100_000,
        b'{"action":"ANNOTATION_CREATED","task":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_not_a_webhook_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        read_event(body)


@given(action=st.sampled_from(ACTIONS), rest=st.dictionaries(st.sampled_from(NAMES), JSON))
def test_no_shape_of_a_known_action_breaks_the_reader(action: str, rest: dict[str, Any]) -> None:
    event = read_event(json.dumps({"action": action, **rest}).encode("utf-8", "replace"))

    assert event is not None
    assert event.action == action


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(Invalid):
        read_event(body)

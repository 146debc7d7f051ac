"""What is taken from a webhook's body, and what is not."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.errors import Invalid
from labeling.review.events import ACTIONS, MAX_IDS, Hint, parse_hint

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
NAMES = ("annotation", "annotations", "task", "tasks")


def read(project_id: int = 1, **body: Any) -> Hint:
    hint = parse_hint(project_id, json.dumps(body).encode())
    assert hint is not None
    return hint


@pytest.mark.parametrize("action", ["ANNOTATION_CREATED", "ANNOTATION_UPDATED"])
def test_an_answer_names_its_annotation_and_its_task(action: str) -> None:
    annotation = {"id": 76, "result": [], "was_cancelled": False, "task": 22320, "project": 24, "completed_by": 1}
    project = {"id": 24, "token": "invite", "task_data_password": None}

    hint = read(action=action, annotation=annotation, task={"id": 22320, "data": {}}, project=project)

    assert (hint.action, hint.tasks, hint.annotations) == (action, (22320,), (76,))


def test_a_bulk_action_names_all_in_lists() -> None:
    hint = read(
        action="ANNOTATIONS_CREATED",
        annotation=[{"id": 2, "task": 11}, {"id": 1, "task": 12}],
        task=[{"id": 12}, {"id": 11}],
    )

    assert (set(hint.tasks), set(hint.annotations)) == ({11, 12}, {1, 2})
    assert len(hint.tasks) == 2


def test_a_deletion_carries_only_ids() -> None:
    annotations = read(action="ANNOTATIONS_DELETED", annotations=[{"id": 59}], project={"id": 1})
    tasks = read(action="TASKS_DELETED", tasks=[{"id": 22301}, {"id": 22302}], project={"id": 1})

    assert (annotations.tasks, annotations.annotations) == ((), (59,))
    assert (tasks.tasks, tasks.annotations) == ((22301, 22302), ())


def test_a_hook_without_payload_still_tells_that_something_changed() -> None:
    hint = read(action="ANNOTATION_CREATED")

    assert (hint.action, hint.tasks, hint.annotations) == ("ANNOTATION_CREATED", (), ())


def test_the_same_body_has_the_same_key_and_another_project_or_version_another() -> None:
    first = {"action": "ANNOTATION_UPDATED", "annotation": {"id": 7, "updated_at": "2026-11-21T12:00:00Z"}}
    later = {"action": "ANNOTATION_UPDATED", "annotation": {"id": 7, "updated_at": "2026-11-21T12:00:01Z"}}

    assert read(**first).key == read(**first).key
    assert len({read(**first).key, read(**later).key, read(2, **first).key}) == 3


@pytest.mark.parametrize("action", ["PROJECT_UPDATED", "TASKS_CREATED", "LABEL_LINK_CREATED", "", "annotation_created"])
def test_an_event_that_we_did_not_ask_for_is_none_of_ours(action: str) -> None:
    body = json.dumps({"action": action, "tasks": [{"id": 1}]}).encode()

    assert parse_hint(1, body) is None


@pytest.mark.parametrize("odd", [2**63, 0, -1, "7", 1.5, None, True, [1], {"id": 1}])
def test_an_id_of_an_unknown_form_is_left_out_and_the_event_kept(odd: object) -> None:
    hint = read(action="ANNOTATION_UPDATED", annotation={"id": odd, "task": 5}, task={"id": odd})

    assert (hint.tasks, hint.annotations) == ((5,), ())


def test_an_event_keeps_a_bounded_number_of_ids() -> None:
    hint = read(action="TASKS_DELETED", tasks=[{"id": i + 1} for i in range(MAX_IDS + 5)])

    assert hint.tasks == tuple(range(1, MAX_IDS + 1))


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
        parse_hint(1, body)


@given(action=st.sampled_from(ACTIONS), rest=st.dictionaries(st.sampled_from(NAMES), JSON))
def test_no_shape_of_a_known_action_breaks_the_reader(action: str, rest: dict[str, Any]) -> None:
    hint = parse_hint(1, json.dumps({"action": action, **rest}).encode())

    assert hint is not None
    assert hint.action == action


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(Invalid):
        parse_hint(1, body)

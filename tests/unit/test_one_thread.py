"""One thread while anything computes that must give the same bytes, however many such blocks there are."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from labeling.one_thread import one_thread


def _threads() -> set[int]:
    """Of each library that can have more than one: OpenCV's, if another test loaded it, was built without threads."""
    return {
        int(one["num_threads"])
        for one in threadpool_info()
        if one["user_api"] == "blas" and one["threading_layer"] != "disabled"
    }


def test_the_first_to_leave_takes_no_limit_from_the_other_and_the_last_puts_the_threads_back() -> None:
    assert np.linalg.norm([3.0, 4.0]) == 5.0  # the library is there, whichever test ran before
    with threadpool_limits(2):
        first, second = ExitStack(), ExitStack()
        first.enter_context(one_thread())
        second.enter_context(one_thread())

        inside = [_threads()]
        first.close()
        inside.append(_threads())
        second.close()

        assert inside == [{1}, {1}]
        assert _threads() == {2}

"""`python -m service.work` is a worker; `hardcase up` starts one."""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType

from sqlalchemy.exc import SQLAlchemyError

from db.outages import outage_of
from labeling.errors import HardcaseError
from service.logs import get_logger, set_up_logs
from service.settings import keep_files_private, load_settings

NICE = 5
"""People wait for the web process and for Label Studio; where cores are few, a worker gives them three quarters."""


def main() -> int:
    """Work until SIGTERM or SIGINT; 1 if this worker could not start, or had to end."""
    os.nice(NICE)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is loaded, see labeling/one_thread.py
    gc.disable()  # until it is ready: what imports make stays
    keep_files_private()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    set_up_logs()
    from service.work.worker import run_worker  # takes a second, in which a signal must already be handled

    try:
        settings = load_settings()
        set_up_logs(level=settings.log_level, as_json=settings.log_json)
        return run_worker(settings)
    except HardcaseError as error:
        reason = error.message
    except (OSError, SQLAlchemyError) as error:
        outage = outage_of(error)
        if outage is None:
            raise
        reason = f"{outage.message} {type(error).__name__}: {str(error)[:300]}"
    get_logger(__name__).error("worker cannot start", reason=reason)
    return 1


def _leave(_number: int, _frame: FrameType | None) -> None:
    """A signal before there is anything to stop: a clean end."""
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())

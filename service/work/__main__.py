"""`python -m service.work` is a worker."""

from __future__ import annotations

import sys

from labeling.errors import HardcaseError
from service.logs import get_logger, set_up_logs
from service.settings import load_settings
from service.work.worker import run_worker


def main() -> int:
    settings = load_settings()
    set_up_logs(level=settings.log_level, as_json=settings.log_json)
    try:
        return run_worker(settings)
    except HardcaseError as error:
        get_logger(__name__).error("worker cannot start", reason=error.message)
        return 1


if __name__ == "__main__":
    sys.exit(main())

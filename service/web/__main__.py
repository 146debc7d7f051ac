"""Run the web process: `python -m service.web`; `hardcase up` starts it."""

from __future__ import annotations

import gc
import sys


def main() -> int:
    """Import the application and serve it; 1 if it could not start."""
    gc.disable()  # what imports and routes make stays: looking through it again and again was a seventh of the start
    from service.web.serving import serve

    return serve()


if __name__ == "__main__":
    sys.exit(main())

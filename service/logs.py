"""Logs as key=value lines (or JSON): what happened, never bodies, tokens, images or personal data."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import structlog

get_logger = structlog.stdlib.get_logger


def set_up_logs(*, level: str = "info", as_json: bool = False) -> None:
    """Send structlog and the standard library's loggers to standard error in one form; called at process edges."""
    before: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"])
    )
    handler = _ToStandardError()
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=before))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "alembic", "asyncio", "PIL", "filelock", "dbos"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


class _ToStandardError(logging.StreamHandler[TextIO]):
    """Takes the standard error of the moment for every line, because a program that runs a command may replace it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr

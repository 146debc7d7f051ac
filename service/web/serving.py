"""Serve until a signal comes: settings and database are checked first, so that what is wrong is said in one line."""

from __future__ import annotations

import gc
import signal
from types import FrameType

import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from db.outages import outage_of
from db.session import make_engine
from labeling.errors import HardcaseError
from service.logs import get_logger, set_up_logs
from service.operations.processes import check_port
from service.schema import check_schema
from service.settings import Settings, keep_files_private, load_settings
from service.web.app import create_app
from service.web.edge.limits import PatientProtocol

GRACE_S = 6
KEEP_ALIVE_S = 15


def serve() -> int:
    """Serve until SIGTERM or SIGINT; requests in flight get six seconds to end. 1 if it could not start."""
    keep_files_private()
    set_up_logs()
    try:
        settings = load_settings()
        set_up_logs(level=settings.log_level, as_json=settings.log_json)
        check_port(settings.host, settings.port)
        _check_database(settings)
        app = create_app(settings)
    except HardcaseError as error:
        return _cannot_start(error.message)
    except (OSError, SQLAlchemyError) as error:
        outage = outage_of(error)
        if outage is None:
            raise
        return _cannot_start(f"{outage.message} {type(error).__name__}: {str(error)[:300]}")
    gc.freeze()
    gc.enable()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=PatientProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    server.run()
    return 0 if server.started else 1


def _cannot_start(reason: str) -> int:
    get_logger(__name__).error("cannot start", reason=reason)
    return 1


def _check_database(settings: Settings) -> None:
    """Before the server starts, so that an error is one line and no traceback."""
    database = make_engine(settings.database)
    try:
        check_schema(database)
    finally:
        database.dispose()


def _end(_number: int, _frame: FrameType | None) -> None:
    """A signal before the server is up, or the one that it raises again after its shutdown: a clean end."""
    raise SystemExit(0)

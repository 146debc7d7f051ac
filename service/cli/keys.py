"""`hardcase key`: who may use the API and the pages. A key is shown once, when it is made."""

from __future__ import annotations

import typer

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)

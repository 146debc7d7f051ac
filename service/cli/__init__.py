"""The command line: a command is one call to a function of the same name; `hardcase --help` lists them."""

from __future__ import annotations

from service.cli.app import app, main

__all__ = ["app", "main"]

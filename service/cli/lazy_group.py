"""A group that lists its commands without importing them.

In: the place and the help line of each command. Out: what `--help` and completion list; the command itself when it is
called. Nothing is imported for a command that is only listed.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup


class LazyGroup(TyperGroup):
    """Subclass it with the `entries`, in the order in which `--help` lists them.

    An entry is `module:name` of a function or a Typer within `package`, and a help line.
    """

    # One lazy group instead of imports inside every command: a command imports what it uses at the top of its module,
    # and no other command waits for it (1.1 s of processor time for `--help` came to 0.2 s).
    package: ClassVar[str]
    entries: ClassVar[Mapping[str, tuple[str, str]]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, (_, help_line) in self.entries.items():
            self.add_command(TyperCommand(name, help=help_line))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that is called, or completed: from here on it is the real one."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, listed if name is None else self.load(name), rest

    def load(self, name: str) -> Any:
        """Import a command and make it: of a function a command, of a Typer a group."""
        place, help_line = self.entries[name]
        module, attribute = place.split(":")
        found = getattr(_imported(f"{self.package}.{module}"), attribute)
        part = typer.Typer(rich_markup_mode=self.rich_markup_mode)
        if isinstance(found, typer.Typer):
            part.add_typer(found, name=name, help=help_line)
        else:
            part.command(name)(found)
        return typer.main.get_group(part).commands[name]


def _imported(module: str) -> ModuleType:
    """Import it without garbage collection: what an import makes stays, and the collection took 0.2 s of `status`."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        return import_module(module)
    finally:
        if collecting:
            gc.enable()

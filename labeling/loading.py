"""One thread at a time loads a library.

Where two threads load a large library from different ends, Python gives one of them a module of which only half is
there. Whatever is imported within a function, because only some work needs it, is imported `with loading:`.
"""

from __future__ import annotations

from threading import RLock

__all__ = ["loading"]

loading = RLock()

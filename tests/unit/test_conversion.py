"""The first use of a class by many threads at once, which ends the process where msgspec is called directly."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from labeling.conversion import convert, decode
from labeling.types import Example

ROOT = Path(__file__).parents[2]
RACE = '''
import sys, threading
from enum import StrEnum
from labeling.conversion import convert, decode

sys.setswitchinterval(1e-6)
nested = "".join(f"""
class E{i}(StrEnum):
    A = "a"
    B = "b"
@dataclass
class N{i}:
    x: int
    y: int
""" for i in range(6))
fields = "".join(f"    e{i}: E{i}\\n    n{i}: N{i}\\n" for i in range(6))
source = "from dataclasses import dataclass\\n" + nested + "@dataclass(frozen=True, slots=True)\\nclass A:\\n" + fields
row = {**{f"e{i}": "a" for i in range(6)}, **{f"n{i}": {"x": 1, "y": 2} for i in range(6)}}
for _ in range(200):
    made = {"__name__": __name__, "StrEnum": StrEnum}
    exec(source, made)
    together = threading.Barrier(4)
    def use():
        together.wait()
        assert convert(row, made["A"]).n5.y == 2
    threads = [threading.Thread(target=use) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
'''


def test_threads_that_use_a_class_for_the_first_time_do_not_end_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", RACE], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_else_gives_a_class_to_msgspec() -> None:
    direct = re.compile(r"msgspec\.convert\(|msgspec\.json\.decode\([^)\n]*type=(?!dict\[str, str\]\))")
    files = [path for room in ("labeling", "db", "service") for path in sorted((ROOT / room).rglob("*.py"))]
    found = [str(path.relative_to(ROOT)) for path in files if direct.search(path.read_text())]
    assert found == ["labeling/conversion.py"]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        convert({"image_id": "one"}, Example)
    with pytest.raises(msgspec.ValidationError):
        decode('{"image_id": 1}', Example)

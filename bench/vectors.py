"""Vectors by key: our shards against LanceDB with its mapped copy, an appended pair of files, and an index in SQL.

Each store is written in one process (appends of 64, then its compaction) and read in the next: what loading it costs,
all rows in order with the page cache emptied of its files and again, 1,000 random keys, what is left after a tenth was
collected. `--s3` names an S3 server (`moto_server -p 5000`) for the stores that can; `lancedb` is in the extra `bench`.

python -m bench.vectors [--quick] [--rows 100000] [--dimensions 256 1280] [--s3 http://127.0.0.1:5000]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.memory import anonymous_mb
from bench.peers.vector_stores import LanceStore, PairStore, SqlStore, VectorStore
from bench.report import at_most, emit
from labeling.adapters.storage.embedding_store import EmbeddingStore
from labeling.adapters.storage.vector_shards import VectorRows
from labeling.slices import slices

APPENDED = 64
ASKED = 1_000
READ_AT_ONCE = 4_096
BUCKET = "bench-vectors"
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ours:
    """Our store, with one encoder."""

    store: EmbeddingStore

    def put(self, keys: Sequence[str], vectors: NDArray[np.float32]) -> None:
        self.store.put("bench", keys, vectors)

    def get(self, keys: Sequence[str]) -> NDArray[np.float32]:
        return self.store.get("bench", keys)

    def rows(self, keys: Sequence[str]) -> VectorRows:
        return self.store.matrix("bench", keys)

    def collect(self, keep: Set[str]) -> None:
        self.store.collect("bench", keep)

    def compact(self) -> None:
        self.store.compact()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5,000 rows of 256")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, nargs="+", default=[256, 1280])
    parser.add_argument("--stores", nargs="+", default=["ours", "lance", "pair", "sql"])
    parser.add_argument("--s3", default="", help="address of an S3 server")
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    rows, widths = (5_000, [256]) if chosen.quick else (chosen.rows, sorted(chosen.dimensions))
    if "ours" not in chosen.stores:
        parser.error("--stores needs `ours`: the others are compared with it")
    if chosen.step:
        step, name, folder = chosen.step
        print(json.dumps(STEPS[step](name, Path(folder), rows, widths[0], chosen.s3)))
        return
    stores = [name for name in chosen.stores if not chosen.s3 or name in ("ours", "lance")]
    lines = [run(name, rows, width, chosen.s3) for width in widths for name in stores]
    report(lines)


def run(name: str, rows: int, width: int, s3: str) -> Line:
    """One store of this width, written and read."""
    with tempfile.TemporaryDirectory(prefix="bench-vectors") as folder:
        line: Line = {"store": name, "on": "S3" if s3 else "folder", "rows": rows, "dimensions": width}
        for step in STEPS:
            told = ["--step", step, name, folder, "--rows", str(rows), "--dimensions", str(width), "--s3", s3]
            done = subprocess.run([sys.executable, "-m", "bench.vectors", *told], check=True, stdout=subprocess.PIPE)
            line |= json.loads(done.stdout.splitlines()[-1])
        print(json.dumps(line), flush=True)
        return line


def report(lines: Sequence[Line]) -> None:
    """Each number of ours over that of LanceDB, at the greatest width."""
    found = {line["store"]: line for line in lines}
    ours, lance = found["ours"], found.get("lance")
    numbers = ("put_ms", "get_ms", "cold_s", "warm_s", "disk_read_mb", "anonymous_mb", "load_s")
    ratios = {n: ours[n] / lance[n] if lance else None for n in numbers}
    emit("vectors", {f"{name}_over_lancedb": at_most(ratio, 1.0) for name, ratio in ratios.items()})


def write(name: str, folder: Path, rows: int, width: int, s3: str) -> Line:
    """Appends of 64, as prelabel makes them."""
    store, times = _open(name, folder, s3), []
    vectors = np.random.default_rng(0).standard_normal((READ_AT_ONCE, width), np.float32)
    keys = _keys(rows)
    for some in slices(rows, APPENDED):
        block = vectors[[at % READ_AT_ONCE for at in range(some.start, some.stop)]] + some.start / rows
        times.append(_seconds(lambda some=some, block=block: store.put(keys[some], block)))  # type: ignore[misc]
    p50, p99 = np.percentile(times, [50, 99]) * 1000
    before, compacted = _disk_mb(folder), _seconds(store.compact)
    if isinstance(store, LanceStore):
        store.forget_old_versions()
    return {
        "put_ms": round(1000 * sum(times) / len(times), 2), "put_p50_ms": round(p50, 2), "put_p99_ms": round(p99, 2),
        "compact_s": round(compacted, 2), "disk_before_mb": before, "disk_mb": _disk_mb(folder),
    }  # fmt: skip


def read(name: str, folder: Path, rows: int, _width: int, s3: str) -> Line:
    """What loading costs, all rows twice, and some keys."""
    keys, rng = _keys(rows), np.random.default_rng(1)
    shutil.rmtree(folder / "cache", ignore_errors=True)  # another machine reads
    _forget_pages(folder)
    at_start, (begun, used) = anonymous_mb(), (time.perf_counter(), time.process_time())
    store = _open(name, folder, s3)
    loaded, loaded_cpu = time.perf_counter() - begun, time.process_time() - used
    cold = _seconds(lambda: _sum(store.rows(keys)))
    warm = _seconds(lambda: _sum(store.rows(keys)))
    asked = [[keys[at] for at in rng.integers(0, rows, ASKED)] for _ in range(11)]
    times = [_seconds(lambda some=some: store.get(some)) for some in asked]  # type: ignore[misc]
    held, disk = anonymous_mb() - at_start, _disk_mb(folder)
    keep = {key for at, key in enumerate(keys) if at % 10}
    collected = _seconds(lambda: store.collect(keep))
    return {
        "load_s": round(loaded, 3), "load_cpu_s": round(loaded_cpu, 3), "cold_s": round(cold, 3),
        "warm_s": round(warm, 3), "get_ms": round(1000 * statistics.median(times[1:]), 1),
        "anonymous_mb": round(held, 1), "disk_read_mb": disk, "collect_s": round(collected, 3),
    }  # fmt: skip


STEPS: dict[str, Callable[[str, Path, int, int, str], Line]] = {"write": write, "read": read}


def _open(name: str, folder: Path, s3: str) -> VectorStore:
    address = f"s3://{BUCKET}/{folder.name}" if s3 else str(folder / "store")
    if s3:
        _serve_s3(s3)
    stores: dict[str, Callable[[], VectorStore]] = {
        "ours": lambda: Ours(EmbeddingStore(address, cache=folder / "cache")),
        "lance": lambda: LanceStore(address, folder / "cache"),
        "pair": lambda: PairStore(folder / "store"),
        "sql": lambda: SqlStore(folder / "store"),
    }
    return stores[name]()


def _serve_s3(address: str) -> None:
    """Let fsspec and LanceDB find the server; the bucket is made if there is none."""
    import fsspec
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow.fs import S3FileSystem

    os.environ |= {
        "AWS_ENDPOINT_URL": address, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench",
    }  # fmt: skip

    class S3(ArrowFSWrapper):  # type: ignore[misc]
        protocol = "s3"

        def __init__(self, **_options: object) -> None:
            super().__init__(
                S3FileSystem(
                    endpoint_override=address, region="us-east-1", allow_bucket_creation=True, allow_delayed_open=True
                )
            )

    fsspec.register_implementation("s3", S3, clobber=True)
    fsspec.filesystem("s3").makedirs(BUCKET, exist_ok=True)


def _keys(rows: int) -> list[str]:
    return [sha256(str(at).encode()).hexdigest() for at in range(rows)]


def _sum(rows: NDArray[np.float32] | VectorRows) -> float:
    return float(sum(rows[some].sum(dtype=np.float64) for some in slices(len(rows), READ_AT_ONCE)))


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _disk_mb(folder: Path) -> float:
    return round(sum(path.stat().st_size for path in _files(folder)) / 1e6, 1)


def _forget_pages(folder: Path) -> None:
    os.sync()
    for path in _files(folder):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    main()

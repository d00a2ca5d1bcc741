"""What writing, a second worker and many samples cost.

    python benchmarks/generate.py                       # all tables, about two minutes
    python benchmarks/generate.py --n 1000 10000 --only memory

Every ratio comes from one run of this script, alternating what it compares.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from simcell.batch import generate
from simcell.batch.task import one_thread
from simcell.preset import Preset, load_preset
from simcell.stages import simulate

SMALL = [
    "frame.shape=[32, 32]",
    "frame.margin_um=4",
    "points.density=20000",
    "points.distance_um=3",
]


def cpu_s() -> float:
    """CPU time of this process and of its finished children, in seconds."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def measured(work: object, *arguments: object) -> tuple[float, float]:
    """Return the CPU and the wall time of a call, in seconds."""
    cpu, wall = cpu_s(), time.perf_counter()
    work(*arguments)  # type: ignore[operator]
    return cpu_s() - cpu, time.perf_counter() - wall


def simulate_only(preset: Preset, n: int) -> None:
    with one_thread():
        for index in range(n):
            simulate(preset.scene(seed=7, index=index), seed=7, index=index)


def simulate_in_two_processes(preset: Preset, n: int) -> None:
    """Do what two processes can at best on this machine now, without writing."""
    halves = [in_child("bare", preset.text, str(n // 2)) for _ in range(2)]
    assert not any(half.wait() for half in halves)


def write(preset: Preset, n: int, folder: Path, workers: int, format: str = "zarr") -> None:
    out = folder / "out"
    generate(preset, n, out, seed=7, workers=workers, format=format, overwrite=True, progress=False)


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def writing_and_workers(preset: Preset, n: int, repeats: int, folder: Path) -> None:
    simulate_only(preset, 2)  # Compiles and loads what is compiled and loaded once.
    rows: dict[str, list[tuple[float, float]]] = {}
    for _ in range(repeats):
        rows.setdefault("simulate only", []).append(measured(simulate_only, preset, n))
        rows.setdefault("1 worker", []).append(measured(write, preset, n, folder, 1))
        rows.setdefault("2 workers", []).append(measured(write, preset, n, folder, 2))
        bare = measured(simulate_in_two_processes, preset, n)
        rows.setdefault("2 bare processes", []).append(bare)
        rows.setdefault("1 worker, tiff", []).append(measured(write, preset, n, folder, 1, "tiff"))
    print(f"{preset.name}: {n} samples of {preset.base.frame.shape}, median of {repeats}")
    print(f"{'':17}{'CPU s':>8}{'wall s':>8}{'ms/sample':>11}{'samples/s':>11}")
    for name, times in rows.items():
        cpu, wall = median([t[0] for t in times]), median([t[1] for t in times])
        print(f"{name:17}{cpu:8.2f}{wall:8.2f}{wall / n * 1e3:11.1f}{n / wall:11.1f}")
    runs = list(zip(*(rows[name] for name in list(rows)[:4]), strict=True))
    added = median([one[0] / alone[0] - 1 for alone, one, _, _ in runs])
    faster = median([one[1] / two[1] for _, one, two, _ in runs])
    possible = median([alone[1] / bare[1] for alone, _, _, bare in runs])
    print(f"writing adds {added:.1%} CPU (at most 25 %)")
    print(f"2 workers are {faster:.2f} times as fast as 1 (at least 1.7 on two idle cores)")
    print(f"2 bare processes that only simulate are {possible:.2f} times as fast as 1")
    print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def memory(preset: Preset, counts: list[int], folder: Path, workers: int) -> None:
    print(f"\npeak memory, {preset.base.frame.shape} px, {workers} worker(s)")
    print(f"{'n':>8}{'parent MiB':>12}{'worker MiB':>12}{'wall s':>8}{'files':>8}")
    for n in counts:
        out = folder / f"n{n}"
        start = time.perf_counter()
        process = in_child("dataset", preset.text, str(n), str(out), str(workers))
        told = process.communicate()[0].split()
        wall = time.perf_counter() - start
        files = sum(path.is_file() for path in out.rglob("*"))
        print(f"{n:8}{float(told[0]):12.0f}{float(told[1]):12.0f}{wall:8.1f}{files:8}")


def in_child(*arguments: str) -> subprocess.Popen[str]:
    """Run `child` in a process of its own."""
    command = [sys.executable, __file__, "--child", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def child(kind: str, text: str, n: str, *rest: str) -> None:
    """Simulate only; or make one dataset and tell the peak memory of all processes."""
    preset = Preset.from_text(text)
    if kind == "bare":
        simulate_only(preset, int(n))
        return
    out, workers = rest
    generate(preset, int(n), out, workers=int(workers), progress=False)
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        print(resource.getrusage(who).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="rcm-sg")
    parser.add_argument("--samples", type=int, default=600, help="samples of the speed table")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--n", type=int, nargs="+", default=[250, 1000], help="sizes for memory")
    parser.add_argument("--workers", type=int, default=1, help="workers of the memory table")
    parser.add_argument("--only", choices=["speed", "memory"])
    options = parser.parse_args()
    preset = load_preset(options.preset)
    with tempfile.TemporaryDirectory() as folder:
        if options.only != "memory":
            writing_and_workers(preset, options.samples, options.repeats, Path(folder))
        if options.only != "speed":
            memory(preset.with_set(SMALL), options.n, Path(folder), options.workers)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        main()

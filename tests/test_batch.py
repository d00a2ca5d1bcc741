"""Runs: the same bytes for any number of workers, after any interruption."""

from __future__ import annotations

import errno
import importlib
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import simcell
from simcell.batch import cluster as cluster_module
from simcell.batch.pool import run_in_processes
from simcell.batch.progress import reported
from simcell.batch.task import interruptible
from simcell.errors import SimcellError
from simcell.io import FORMATS, files
from simcell.io.header import PARTS
from simcell.preset import Preset, load_preset
from simcell.vary import Uniform

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
N = 12
SEED = 3
SMALL = [
    "frame.shape=[40, 44]",
    "frame.margin_um=6",
    "points.density=20000",
    "points.distance_um=3",
]


@pytest.fixture(scope="session")
def preset() -> Preset:
    return load_preset("rcm-sg").with_set(SMALL)


@pytest.fixture(scope="session")
def whole(preset: Preset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset that was never interrupted, made by one worker."""
    out = tmp_path_factory.mktemp("whole") / "whole.zarr"
    return simcell.generate(preset, N, out, seed=SEED).path


def tree(path: Path) -> dict[str, bytes | None]:
    return {
        str(item.relative_to(path)): item.read_bytes() if item.is_file() else None
        for item in path.rglob("*")
    }


def test_samples_are_those_of_simulate(preset: Preset, whole: Path) -> None:
    dataset = simcell.open_dataset(whole)
    assert len(dataset) == N
    for index in (0, 5, N - 1):
        scene = preset.scene(seed=SEED, index=index)
        expected = simcell.simulate(scene, seed=SEED, index=index)
        got = dataset[index]
        assert got.scene == scene
        assert got.grid == expected.grid
        assert got.versions == expected.versions
        for name in ("image", "prior", "labels", "objects", "adjacency"):
            np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))
    for name, value in preset.draw(seed=SEED, index=5).items():
        assert dataset.drawn(name)[5] == value
    assert dataset.attrs["preset"] == preset.text


def test_datasets_can_be_sent_to_another_process(whole: Path) -> None:
    dataset = simcell.open_dataset(whole)
    again = pickle.loads(pickle.dumps(dataset))
    assert again[1].scene == dataset[1].scene
    np.testing.assert_array_equal(again.read("labels", 1), dataset.read("labels", 1))


def test_two_workers_write_the_same_bytes(preset: Preset, whole: Path, tmp_path: Path) -> None:
    summary = simcell.generate(preset, N, tmp_path / "a" / "b", seed=SEED, workers=2)
    assert tree(summary.path) == tree(whole)
    assert (summary.n, summary.made) == (N, N)
    assert summary.cells_per_image == simcell.open_dataset(whole).counts.mean()
    assert summary.bytes_on_disk == sum(len(data or b"") for data in tree(whole).values())
    assert summary.samples_per_second == pytest.approx(N / summary.seconds)


def test_order_does_not_matter(
    preset: Preset, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["simcell.batch.run"]

    def reversed_run(job: Callable[[int], int], numbers: list[int]) -> Iterator[int]:
        return run_here(job, list(reversed(numbers)))

    run_here = module.run_here
    monkeypatch.setattr(module, "run_here", reversed_run)
    out = simcell.generate(preset, N, tmp_path / "a", seed=SEED).path
    assert tree(out) == tree(whole)


def test_a_longer_dataset_begins_with_the_shorter(
    preset: Preset, whole: Path, tmp_path: Path
) -> None:
    longer = simcell.open_dataset(simcell.generate(preset, N + 3, tmp_path / "a", seed=SEED).path)
    for first, second in zip(simcell.open_dataset(whole), longer, strict=False):
        np.testing.assert_array_equal(first.image, second.image)


RUN = f"""
import sys, simcell
preset = simcell.load_preset("rcm-sg").with_set({SMALL!r})
print("ready", flush=True)
simcell.generate(preset, {N}, sys.argv[1], seed={SEED}, workers=int(sys.argv[2]), resume=True)
"""


def started(out: Path, workers: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(out), str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
        # Where the tests run in the background, a shell has SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def parts(out: Path) -> int:
    return len(list((out / PARTS).glob("*.npz")))


def wait_for_parts(out: Path, count: int, process: subprocess.Popen[str]) -> None:
    while parts(out) < count and process.poll() is None:
        time.sleep(0.002)


@posix
def test_killed_twenty_times_it_ends_with_the_same_bytes(
    preset: Preset, whole: Path, tmp_path: Path
) -> None:
    moments = random.Random(0)
    kills = 0
    while kills < 20:
        out = tmp_path / f"{kills}"
        for _ in range(4):  # Several kills of one dataset, each somewhere further on.
            process = started(out, workers=1)
            time.sleep(moments.uniform(0.0, 0.35))
            process.kill()
            process.communicate()
            kills += 1
        simcell.generate(preset, N, out, seed=SEED, resume=True)
        assert tree(out) == tree(whole)


@posix
def test_workers_go_when_their_parent_is_killed(
    preset: Preset, whole: Path, tmp_path: Path
) -> None:
    psutil = pytest.importorskip("psutil")
    process = started(tmp_path / "a", workers=2)
    wait_for_parts(tmp_path / "a", 1, process)
    children = psutil.Process(process.pid).children()
    assert len(children) == 1
    process.kill()
    process.communicate()
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert not alive, gone
    simcell.generate(preset, N, tmp_path / "a", seed=SEED, resume=True)
    assert tree(tmp_path / "a") == tree(whole)


@posix
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_stops_at_once_and_keeps_what_is_done(
    preset: Preset, whole: Path, tmp_path: Path, workers: int
) -> None:
    out = tmp_path / "a"
    process = started(out, workers)
    wait_for_parts(out, 2, process)
    os.killpg(process.pid, signal.SIGINT)  # What a terminal does.
    asked = time.perf_counter()
    _, errors = process.communicate(timeout=20)
    assert time.perf_counter() - asked < 5
    assert process.returncode == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert errors.count("Traceback") == 1
    done = parts(out)
    assert 2 <= done < N
    with pytest.raises(SimcellError, match=rf"incomplete, {done} of {N} .*--resume"):
        simcell.open_dataset(out)
    summary = simcell.generate(preset, N, out, seed=SEED, resume=True)
    assert summary.made == N - done
    assert tree(out) == tree(whole)


JOBS = """
import os, signal, time

def _in_child(parent):
    if os.getpid() == parent:
        time.sleep(2)  # The child starts meanwhile, and takes the other number.
        return False
    return True

def tell(parent):
    return os.getpid() if _in_child(parent) else parent

def fail(parent):
    if _in_child(parent):
        chr(-1)
    return 0

def leave(parent):
    if _in_child(parent):
        os._exit(3)
    return 0

def be_killed(parent):
    if _in_child(parent):
        os.kill(os.getpid(), signal.SIGKILL)
    return 0
"""


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Jobs that a child process can import; each is given the parent's process number."""
    (tmp_path / "jobs_of_the_test.py").write_text(JOBS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "jobs_of_the_test", raising=False)
    return importlib.import_module("jobs_of_the_test")


def test_jobs_run_here_and_in_processes(jobs: ModuleType) -> None:
    assert sorted(run_in_processes(abs, [-5, 3, -2], 2)) == [2, 3, 5]
    assert list(run_in_processes(abs, [], 2)) == []
    here = os.getpid()
    told = set(run_in_processes(jobs.tell, [here, here], 2))
    assert here in told
    assert len(told) == 2


def test_errors_come_back(jobs: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"chr\(\) arg not in range") as caught:
        list(run_in_processes(jobs.fail, [os.getpid()] * 2, 2))
    assert "In a worker process" in caught.value.__notes__[0]
    with pytest.raises(ValueError, match=r"chr\(\) arg not in range"):
        list(run_in_processes(chr, [-1], 2))  # in this process


@posix
def test_a_worker_that_dies_is_one_clear_line(jobs: ModuleType) -> None:
    with pytest.raises(SimcellError, match=r"ended with code 3.*run again with --resume"):
        list(run_in_processes(jobs.leave, [os.getpid()] * 2, 2))
    with pytest.raises(SimcellError, match=r"ended by SIGKILL.*memory.*--resume"):
        list(run_in_processes(jobs.be_killed, [os.getpid()] * 2, 2))


@posix
def test_a_worker_killed_midway_costs_only_its_shard(
    preset: Preset, whole: Path, tmp_path: Path
) -> None:
    psutil = pytest.importorskip("psutil")
    process = started(tmp_path / "a", workers=2)
    wait_for_parts(tmp_path / "a", 1, process)
    psutil.Process(process.pid).children()[0].kill()
    _, errors = process.communicate(timeout=20)
    assert "was ended by SIGKILL" in errors.splitlines()[-1]
    simcell.generate(preset, N, tmp_path / "a", seed=SEED, resume=True)
    assert tree(tmp_path / "a") == tree(whole)


def test_a_full_disk_keeps_what_is_done(
    preset: Preset, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = 30
    replace = os.replace

    def refuse_later(source: Path, target: Path) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse_later)
        with pytest.raises(SimcellError, match=r"the disk is full; free some space .*--resume"):
            simcell.generate(preset, N, tmp_path / "a", seed=SEED)
    assert 0 < parts(tmp_path / "a") < N
    simcell.generate(preset, N, tmp_path / "a", seed=SEED, resume=True)
    assert tree(tmp_path / "a") == tree(whole)


@posix
@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_is_really_full(
    preset: Preset, whole: Path, tmp_path: Path, workers: int
) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a disk")
    try:
        with pytest.raises(SimcellError, match=r"cannot write .*: the disk is full"):
            simcell.generate(preset, N, tmp_path / "a", seed=SEED, workers=workers)
        assert 0 < parts(tmp_path / "a") < N
        subprocess.run(["mount", "-o", "remount,size=8m", str(tmp_path)], check=True)
        simcell.generate(preset, N, tmp_path / "a", seed=SEED, resume=True)
        assert tree(tmp_path / "a") == tree(whole)
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        with pytest.raises(SimcellError, match="read-only; choose another folder"):
            simcell.generate(preset, 1, tmp_path / "b")
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_folders_that_cannot_be_made(preset: Preset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SimcellError, match="a parent of it is a file"):
        simcell.generate(preset, 1, tmp_path / "file" / "out")


def test_an_existing_output_is_kept_unless_told_otherwise(
    preset: Preset, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a"
    simcell.generate(preset, 2, out, seed=9)
    before = tree(out)
    with pytest.raises(SimcellError, match="exists; continue it with --resume, or replace it"):
        simcell.generate(preset, N, out, seed=SEED)
    with pytest.raises(SimcellError, match=r"resume and overwrite.*drop one"):
        simcell.generate(preset, N, out, seed=SEED, resume=True, overwrite=True)
    assert tree(out) == before
    simcell.generate(preset, N, out, seed=SEED, overwrite=True)
    assert tree(out) == tree(whole)
    assert simcell.generate(preset, N, out, seed=SEED, resume=True).made == 0
    assert tree(out) == tree(whole)


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
@pytest.mark.parametrize("format", ["zarr", "tiff"])
def test_folders_of_others_are_never_touched(
    preset: Preset, tmp_path: Path, options: dict[str, bool], format: str
) -> None:
    (tmp_path / "photo.jpg").write_text("precious")
    with pytest.raises(SimcellError, match="not an output of simcell; choose another name"):
        simcell.generate(preset, 1, tmp_path, format=format, **options)
    assert tree(tmp_path) == {"photo.jpg": b"precious"}


def test_resuming_with_something_else_names_the_difference(
    preset: Preset, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resumed(preset: Preset = preset, n: int = N, seed: int = SEED) -> None:
        simcell.generate(preset, n, whole, seed=seed, resume=True)

    before = tree(whole)
    with pytest.raises(SimcellError, match=rf"made with n = {N}, not 13"):
        resumed(n=13)
    with pytest.raises(SimcellError, match=rf"made with seed = {SEED}, not 4"):
        resumed(seed=4)
    with pytest.raises(SimcellError, match=r"'density: 20000.0', not 'density: 19000.0'"):
        resumed(preset.with_set(["points.density=19000"]))
    with pytest.raises(SimcellError, match="'zarr', not 'tiff'; choose another name"):
        simcell.generate(preset, N, whole, seed=SEED, format="tiff", resume=True)
    monkeypatch.setattr(np, "__version__", "1.0.0")
    with pytest.raises(SimcellError, match=r"made with numpy .*, this is 1.0.0; install numpy"):
        resumed()
    assert tree(whole) == before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"n": 0}, "n = 0: must be a whole number from 1"),
        ({"n": 2.5}, "n = 2.5"),
        ({"n": True}, "n = True"),
        ({"seed": -1}, "seed = -1: must be a whole number from 0"),
        ({"seed": 2**32}, "seed = 4294967296"),
        ({"workers": 0}, "workers = 0: must be a whole number from 1"),
        ({"format": "jpeg"}, "format = 'jpeg': use one of zarr, ome-zarr, ome-tiff, tiff"),
        ({"cluster": "tcp://a:1", "workers": 2}, "the cluster has its own; drop one"),
        ({"preset": "no-such-preset"}, "no-such-preset"),
    ],
)
def test_wrong_arguments_are_refused_before_any_work(
    preset: Preset, tmp_path: Path, arguments: dict[str, object], text: str
) -> None:
    given = {"preset": preset, "n": 1, "out": tmp_path / "out", **arguments}
    with pytest.raises(SimcellError, match=text):
        simcell.generate(**given)
    assert list(tmp_path.iterdir()) == []


VOLUME = """
name: volume
about: a field with three sides
scene:
  frame: {shape: [16, 64, 64]}
  region: {kind: full}
  cells: {kind: nucleus_golgi}
  prior: {kind: channels}
  imaging: {kind: none}
"""


@pytest.mark.parametrize("format", ["coco", "png"])
def test_volumes_are_refused_by_flat_formats_before_any_work(tmp_path: Path, format: str) -> None:
    volume = Preset.from_text(VOLUME)
    with pytest.raises(SimcellError, match=rf"'{format}': holds flat images, the field is \(16"):
        simcell.generate(volume, 1, tmp_path / "out", format=format)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", FORMATS[1:])
def test_exports_are_those_of_the_dataset(
    preset: Preset, whole: Path, tmp_path: Path, format: str
) -> None:
    out = tmp_path / "out"
    expected = tree(simcell.export(simcell.open_dataset(whole), tmp_path / "expected", format))
    summary = simcell.generate(preset, N, out, seed=SEED, format=format)
    assert tree(out) == expected
    assert summary.bytes_on_disk == sum(len(data or b"") for data in expected.values())
    assert sorted(item.name for item in tmp_path.iterdir()) == ["expected", "out"]
    again = simcell.generate(preset, N, out, seed=SEED, format=format, resume=True)
    assert (again.made, again.cells_per_image) == (0, summary.cells_per_image)
    with pytest.raises(SimcellError, match="seed"):
        simcell.generate(preset, N, out, seed=4, format=format, resume=True)


def test_an_interrupted_export_goes_on_from_its_samples(
    preset: Preset, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["simcell.batch.run"]
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(module, "export", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            simcell.generate(preset, N, out, seed=SEED, format="tiff")
    assert not out.exists()
    with pytest.raises(SimcellError, match=r"staging.zarr: exists; continue it with --resume"):
        simcell.generate(preset, N, out, seed=SEED, format="tiff")
    assert simcell.generate(preset, N, out, seed=SEED, format="tiff", resume=True).made == 0
    expected = simcell.export(simcell.open_dataset(whole), tmp_path / "expected", "tiff")
    assert tree(out) == tree(expected)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["expected", "out"]


def test_two_runs_of_one_folder_do_not_mix(preset: Preset, tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with files.sole_writer(tmp_path), pytest.raises(SimcellError, match="another run is writing"):
        simcell.generate(preset, 1, tmp_path)


@pytest.fixture
def dask_cluster(tmp_path: Path) -> Iterator[object]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        local_directory=str(tmp_path / "dask"),
        silence_logs=50,
    ) as cluster:
        yield cluster


def test_dask_writes_the_same_bytes_though_a_worker_is_lost(
    preset: Preset, whole: Path, tmp_path: Path, dask_cluster: object
) -> None:
    out = tmp_path / "out"
    victim = next(iter(dask_cluster.workers.values())).pid
    killed = threading.Event()

    def kill() -> None:
        while parts(out) < 2:
            time.sleep(0.001)
        os.kill(victim, signal.SIGKILL)
        killed.set()

    threading.Thread(target=kill, daemon=True).start()
    address = dask_cluster.scheduler_address
    summary = simcell.generate(preset, N, out, seed=SEED, cluster=address)
    assert killed.is_set()
    assert summary.made == N
    assert tree(out) == tree(whole)


def test_a_cluster_that_is_not_there(
    preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster_module, "_PATIENCE_S", 0.2)
    with pytest.raises(SimcellError, match=r"no scheduler answers there.*tcp://host:8786"):
        simcell.generate(preset, 2, tmp_path / "a", cluster="tcp://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SimcellError, match=r"pip install 'simcell\[cluster\]'"):
        simcell.generate(preset, 2, tmp_path / "b", cluster="tcp://127.0.0.1:9")


def test_a_cluster_without_workers(
    preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(cluster_module, "_PATIENCE_S", 1)
    options = {"n_workers": 0, "dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(**options) as cluster:
        address = cluster.scheduler_address
        with pytest.raises(SimcellError, match="has no worker after 1 s"):
            simcell.generate(preset, 2, tmp_path / "a", cluster=address)


def test_progress_is_a_bar_or_lines_or_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from simcell.batch import progress

    with reported(10, 0, progress=False) as advance:
        advance(5)
    assert capsys.readouterr() == ("", "")
    with reported(10, 4, progress=True) as advance:
        advance(6)
    assert "10/10" in capsys.readouterr().err
    with reported(10, 4, progress=None) as advance:
        advance(3)
        assert capsys.readouterr() == ("", "")
        monkeypatch.setattr(progress, "_EVERY_S", 0.0)
        advance(1)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("8/10 samples, ")
    assert err.endswith(" s left\n")


def test_a_preset_that_fails_midway_names_the_sample_and_leaves_nothing(tmp_path: Path) -> None:
    narrow = load_preset("islands").with_set(
        ["frame.shape=[48, 48]", "imaging.kind=none", "region.islands=60", "region.rounding_um=0"]
    )
    doomed = replace(narrow, vary={"region.furrow_um": Uniform(low=0.0, high=120.0)})
    for workers in (1, 2):
        with pytest.raises(SimcellError, match=r"sample \d+ cannot be made: .*furrow_um = "):
            simcell.generate(doomed, 40, tmp_path / "a", workers=workers, progress=False)
        assert not (tmp_path / "a").exists()


def test_ctrl_c_inside_a_kernel_is_ctrl_c() -> None:
    def kernel() -> None:
        msg = "CPUDispatcher returned a result with an exception set"
        raise SystemError(msg) from KeyboardInterrupt()

    with pytest.raises(KeyboardInterrupt), interruptible():
        kernel()
    with pytest.raises(SystemError, match="another"), interruptible():
        raise SystemError("another")

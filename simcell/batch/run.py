"""From a preset to a dataset, or to a folder that other tools read."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from simcell.arrays import Pattern
from simcell.batch.cluster import check_scheduler, run_on_cluster
from simcell.batch.pool import run_here, run_in_processes
from simcell.batch.progress import reported
from simcell.batch.task import (
    SampleError,
    Task,
    check_versions,
    interruptible,
    laid_out,
    make,
    one_thread,
    open_dataset,
    stored_in_bands,
)
from simcell.errors import SimcellError
from simcell.io.export import export, read_card
from simcell.io.files import explained, size_on_disk, sole_writer
from simcell.io.header import Header, plan, plan_in_bands, read_header
from simcell.io.outputs import (
    FORMATS,
    Format,
    check_sides,
    check_writable,
    format_of,
    is_vacant,
    remove_output,
)
from simcell.io.parts import finished, part_path, samples_done, sweep
from simcell.io.store import create
from simcell.io.tables import finalise
from simcell.preset import Preset, load_preset
from simcell.stages import simulate, versions

_MOST = 2**32 - 1
_LOOKED_AT = 4  # samples whose cells are grown again to see whether they all fitted


@dataclass(frozen=True)
class Summary:
    """What a run made.

    Attributes
    ----------
    path : Path
        The output.
    n : int
        Samples in it.
    made : int
        Samples simulated in this run; fewer than ``n`` after a resume.
    seconds : float
        Wall time of this run.
    cells_per_image : float
        Mean number of objects of a sample.
    bytes_on_disk : int
        Size of the output.
    packing : tuple of float, optional
        Density asked for and density that fitted, per ``unit``, where points or cells
        can fall short; means over a few samples.
    unit : str
        mm², or mm³ of volumes.
    """

    path: Path
    n: int
    made: int
    seconds: float
    cells_per_image: float
    bytes_on_disk: int
    packing: tuple[float, float] | None = None
    unit: str = "mm²"

    @property
    def samples_per_second(self) -> float:
        """Samples simulated and written per second of this run."""
        return self.made / self.seconds


def generate(
    preset: Preset | str | Path,
    n: int,
    out: str | Path,
    *,
    seed: int = 0,
    workers: int = 1,
    format: Format = "zarr",
    resume: bool = False,
    overwrite: bool = False,
    cluster: str | None = None,
    progress: bool | None = None,
) -> Summary:
    """Simulate ``n`` samples of a preset and write them.

    The same preset, n and seed give the same bytes for any number of workers, and
    after any number of interruptions. Ctrl-C stops at once and keeps what is done.

    Parameters
    ----------
    preset : Preset, str or Path
        A preset, or what `load_preset` finds one by.
    n : int
        Number of samples.
    out : str or Path
        Folder to make; its parents are made too.
    seed : int
        Seed of the dataset, 0 to 2**32 - 1.
    workers : int
        Processes on this machine; 1 works in this one.
    format : {"zarr", "ome-zarr", "ome-tiff", "tiff", "stardist", "coco", "png"}
        A dataset, or one of the layouts of `export`.
    resume : bool
        Go on where an interrupted run stopped; start where there is none.
    overwrite : bool
        Replace an earlier output of simcell.
    cluster : str, optional
        Address of a Dask scheduler whose workers see ``out``.
    progress : bool, optional
        True: a bar; False: nothing; None: a bar on a terminal, else lines on stderr.

    Returns
    -------
    Summary

    Raises
    ------
    SimcellError
        Where the arguments or the output folder cannot be used, or a worker died.
    """
    start = time.perf_counter()
    _check_arguments(n, seed, workers, format, cluster)
    if not isinstance(preset, Preset):
        preset = load_preset(preset)
    check_sides(format, preset.base.frame.shape)
    preset = preset.pinned()
    out = Path(out).absolute()
    store = out if format == "zarr" else out.with_name(f".{out.name}.staging.zarr")
    _make_way(out, store, format, resume=resume, overwrite=overwrite)
    if resume and out != store and format_of(out) == format:
        made, objects = 0, _check_export(out, preset, seed, n)
    else:
        with interruptible():
            made = _fill(store, preset, seed, n, workers, cluster, progress)
        dataset = open_dataset(store)
        objects = int(dataset.counts.sum())
        if format != "zarr":
            export(dataset, out, format, overwrite=overwrite)
            remove_output(store)
    seconds = time.perf_counter() - start
    packing = _packing(preset, seed, n)
    unit = "mm²" if preset.base.frame.ndim == 2 else "mm³"
    return Summary(out, n, made, seconds, objects / n, size_on_disk(out), packing, unit)


def _packing(preset: Preset, seed: int, n: int) -> tuple[float, float] | None:
    """Compare the density asked for with what fitted, over a few samples."""
    if stored_in_bands(preset.base):
        found: list[Pattern | None] = [laid_out(preset.text, seed, n - 1).layout.pattern]
    else:
        found = [
            simulate(preset.scene(seed=seed, index=i), seed=seed, index=i, upto="cells").pattern
            for i in range(min(n, _LOOKED_AT))
        ]
    notes = [pattern.notes for pattern in found if pattern and "requested_density" in pattern.notes]
    if not notes:
        return None
    asked = sum(note["requested_density"] for note in notes) / len(notes)
    return asked, sum(note["achieved_density"] for note in notes) / len(notes)


def _check_arguments(n: int, seed: int, workers: int, format: str, cluster: str | None) -> None:
    for name, value, low in (("n", n, 1), ("seed", seed, 0), ("workers", workers, 1)):
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not low <= value <= _MOST:
            msg = f"{name} = {value!r}: must be a whole number from {low} to {_MOST}"
            raise SimcellError(msg)
    if format not in FORMATS:
        msg = f"format = {format!r}: use one of {', '.join(FORMATS)}"
        raise SimcellError(msg)
    if cluster is not None and workers != 1:
        msg = f"workers = {workers} with cluster = {cluster!r}: the cluster has its own; drop one"
        raise SimcellError(msg)
    if cluster is not None:
        check_scheduler(cluster)


def _make_way(out: Path, store: Path, format: Format, *, resume: bool, overwrite: bool) -> None:
    """Refuse an output that may not be touched, before any work; clear what is replaced."""
    if resume and overwrite:
        msg = "resume and overwrite: one keeps what is there, the other deletes it; drop one"
        raise SimcellError(msg)
    for path, wanted in {out: format, store: "zarr"}.items():
        found = None if is_vacant(path) else format_of(path)
        if resume and found not in (None, wanted):
            msg = f"{path}: holds format = {found!r}, not {wanted!r}; choose another name"
            raise SimcellError(msg)
        check_writable(path, overwrite=overwrite or resume)
    if overwrite and not is_vacant(store):
        # An earlier export stays until the new one is ready to take its place.
        with sole_writer(store):
            remove_output(store)


def _fill(
    store: Path,
    preset: Preset,
    seed: int,
    n: int,
    workers: int,
    cluster: str | None,
    progress: bool | None,
) -> int:
    """Make all samples that a dataset lacks; return how many that were."""
    fresh = is_vacant(store)
    with explained(store):
        store.mkdir(parents=True, exist_ok=True)
    with sole_writer(store):
        try:
            task = _task(store, preset, seed, n)
        except SimcellError:
            if fresh and is_vacant(store):
                store.rmdir()
            raise
        header = task.header
        missing = sorted(set(range(header.shards)) - finished(store, header))
        done = samples_done(store, header)
        if header.complete:
            missing, done = [], n
        runs = _run(task, missing, workers, cluster)
        total = sum(header.steps(shard) for shard in range(header.shards))
        left = sum(header.steps(shard) for shard in missing)
        what = "samples" if header.rows is None else "bands"
        try:
            with reported(total, total - left, progress, what) as advance, closing(runs):
                for shard in runs:
                    _check_arrived(store, shard, cluster)
                    advance(header.steps(shard))
        except SampleError:
            if fresh:  # No resume could ever finish what this run began.
                remove_output(store)
            raise
        finalise(store, header)
    return n - done


def _task(store: Path, preset: Preset, seed: int, n: int) -> Task:
    """Take up the dataset at ``store``, or lay out a new one there."""
    if not is_vacant(store):
        header = read_header(store)
        _check_same(store, header, preset, seed, n)
        task = Task(store, header)
    else:
        task = _plan(store, preset, seed, n)
    if not task.header.complete:
        with explained(store):
            sweep(store)
            create(store, task.header)
    return task


def _plan(store: Path, preset: Preset, seed: int, n: int) -> Task:
    """Lay out a new dataset like its first sample."""
    text = preset.text
    if not stored_in_bands(preset.base):
        with one_thread():
            first, drawn = make(text, seed, 0)
        header = plan(
            name=preset.name, preset=text, seed=seed, n=n, first=first, drawn=tuple(drawn)
        )
        return Task(store, header, first)
    canvas = laid_out(text, seed, 0)
    header = plan_in_bands(
        name=preset.name,
        preset=text,
        seed=seed,
        n=n,
        first=canvas.paint(range(1)),
        height=canvas.grid.shape[-2],
        columns=canvas.layout.objects.dtype,
        versions=versions(),
        drawn=tuple(preset.vary),
    )
    return Task(store, header)


def _run(task: Task, shards: list[int], workers: int, cluster: str | None) -> Generator[int]:
    if cluster is not None:
        # Every future carries its task; sample 0 would travel with each.
        return run_on_cluster(replace(task, first=None), shards, cluster)
    if workers == 1 or len(shards) <= 1:
        return run_here(task, shards)
    return run_in_processes(task, shards, workers)


def _check_arrived(store: Path, shard: int, cluster: str | None) -> None:
    if not part_path(store, shard).is_file():
        msg = (
            f"{store}: a worker of cluster = {cluster!r} wrote samples, but not here; "
            "choose a folder on a disk that this machine and all workers share"
        )
        raise SimcellError(msg)


def _check_same(path: Path, header: Header, preset: Preset, seed: int, n: int) -> None:
    """Refuse to mix samples of two presets, seeds or versions."""
    difference = None
    if header.n != n:
        difference = f"n = {header.n}, not {n}"
    elif header.seed != seed:
        difference = f"seed = {header.seed}, not {seed}"
    elif header.preset != preset.text:
        pairs = zip_longest(header.preset.splitlines(), preset.text.splitlines(), fillvalue="")
        unlike = [(a.strip(), b.strip()) for a, b in pairs if a != b]
        # Other masks change a preset in more than one line; this one says why.
        there, here = next((pair for pair in unlike if "fingerprint" in pair[0]), unlike[0])
        difference = f"another preset ({there!r}, not {here!r})"
    if difference is not None:
        msg = f"{path}: made with {difference}; resume with what it was made with, or --overwrite"
        raise SimcellError(msg)
    check_versions(header)


def _check_export(out: Path, preset: Preset, seed: int, n: int) -> int:
    """Check that a finished export is the one asked for; return its number of objects."""
    card = read_card(out)
    _check_same(out, card.dataset, preset, seed, n)
    return card.objects

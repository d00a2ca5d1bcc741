"""Training: a recipe in, a model out."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from dermogan.errors import DermoganError, need
from dermogan.feed import feed
from dermogan.files import write_whole
from dermogan.model import SUFFIX
from dermogan.recipe import Recipe
from dermogan.report import bar
from dermogan.run import PICTURES, Run

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_RECIPE = "recipe.yaml"


@dataclass(frozen=True)
class Summary:
    """What a finished run did.

    Attributes
    ----------
    path : Path
        The model that is kept.
    steps, best_step : int
    score : float
        Of the best model.
    seconds : float
        Wall-clock time of this run.
    start_s : float
        Of it, waiting for the first batch, while workers start.
    wait_share : float
        Share of the time after that which was spent waiting for batches.
    """

    path: Path
    steps: int
    best_step: int
    score: float
    seconds: float
    start_s: float
    wait_share: float


def train(
    recipe: Recipe,
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    threads: int = 1,
    accelerator: str = "cpu",
    devices: int = 1,
    strategy: str = "auto",
    precision: str = "32-true",
    tensorboard: bool | None = None,
    quiet: bool = False,
) -> Summary:
    """Train what a recipe says; keep the model that is best in validation, or the last.

    Parameters
    ----------
    recipe : Recipe
    out : str or path
        Folder for the model, checkpoint, log and pictures.
    seed : int
    resume : bool
        Go on from the checkpoint in ``out``.
    overwrite : bool
        Replace the run in ``out``.
    threads : int
        Of torch, on the CPU.
    accelerator, devices, strategy, precision
        Passed to ``lightning_fabric.Fabric``.
    tensorboard : bool, optional
        Keep a log for TensorBoard beside the CSV; by default where it is installed.
    quiet : bool
        No progress, no lines.

    Returns
    -------
    Summary
    """
    fabric_module = need("lightning_fabric")
    if tensorboard is None:
        tensorboard = find_spec("tensorboard") is not None
    elif tensorboard:
        need("tensorboard", extra="tensorboard")
    folder = Path(out)
    for name, batch in (("batch", recipe.data.batch), ("pairs_batch", recipe.data.pairs_batch)):
        if batch is not None and batch % devices:
            msg = f"data.{name} = {batch}: must be a multiple of --devices = {devices}"
            raise DermoganError(msg)
    torch.set_num_threads(threads)
    fabric = fabric_module.Fabric(
        accelerator=accelerator, devices=devices, strategy=strategy, precision=precision
    )
    if os.environ.get("LOCAL_RANK", "0") == "0":  # else another process has done it
        _check(folder, resume=resume, overwrite=overwrite)
    job = _Job(recipe, folder, seed, resume, threads, tensorboard, quiet)
    made: Summary = fabric.launch(_run, job)
    return made


class _Job(NamedTuple):
    """What every process of a run is told."""

    recipe: Recipe
    folder: Path
    seed: int
    resume: bool
    threads: int
    tensorboard: bool
    quiet: bool


def _check(folder: Path, *, resume: bool, overwrite: bool) -> None:
    """See that the run in a folder may be gone on with or replaced, or that there is none."""
    ours = (folder / _RECIPE).exists()
    if resume and not ours:
        msg = f"{folder}: no run to resume; leave --resume out"
        raise DermoganError(msg)
    if not resume and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if not overwrite:
            msg = f"{folder}: exists; add --resume or --overwrite, or choose another folder"
            raise DermoganError(msg)
        if not ours:
            msg = f"{folder}: is not the folder of a run, and is not replaced; choose another"
            raise DermoganError(msg)


def _prepare(job: _Job) -> None:
    """Make the folder of a run, in the place of the one that it replaces."""
    if not job.resume and job.folder.exists():
        shutil.rmtree(job.folder)
    (job.folder / PICTURES).mkdir(parents=True, exist_ok=True)
    write_whole(job.folder / _RECIPE, job.recipe.text.encode())  # its budget may be another now


def _run(fabric: Fabric, job: _Job) -> Summary:
    recipe = job.recipe
    torch.set_num_threads(job.threads)  # of spawned processes too
    run = Run(fabric, recipe, job.folder, job.seed, fresh=not job.resume)
    if fabric.global_rank == 0:
        _prepare(job)  # not before all that it needs is there
    steps = recipe.budget.steps
    began = time.perf_counter()
    quiet = job.quiet or fabric.global_rank != 0
    with (
        feed(run.data, range(run.step, steps), fabric.global_rank, fabric.world_size) as batches,
        bar(recipe.name, run.step, steps, quiet=quiet) as shown,
    ):
        for note in run.notes:
            shown.say(note)
        run.go(batches, shown, tensorboard=job.tensorboard)
        ended = time.perf_counter()
    running = ended - batches.began_s if batches.began_s else 0.0
    return Summary(
        job.folder / f"model{SUFFIX}",
        steps,
        run.best_step,
        run.best,
        ended - began,
        batches.first_s,
        batches.waited_s / running if running else 0.0,
    )

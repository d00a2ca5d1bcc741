"""Training: a recipe in, a model out."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from dermogan.data import feed
from dermogan.errors import DermoganError, need
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
        The model that was best in validation.
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
    """Train what a recipe says, and keep the model that is best in validation.

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
        _prepare(folder, recipe, resume=resume, overwrite=overwrite)
    made: Summary = fabric.launch(_run, recipe, folder, seed, quiet, threads, tensorboard)
    return made


def _prepare(folder: Path, recipe: Recipe, *, resume: bool, overwrite: bool) -> None:
    """Make the folder of a run, or see that the run in it may be gone on with or replaced."""
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
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PICTURES).mkdir(exist_ok=True)
    if not resume:
        write_whole(folder / _RECIPE, recipe.text.encode())


def _run(
    fabric: Fabric,
    recipe: Recipe,
    folder: Path,
    seed: int,
    quiet: bool,
    threads: int,
    tensorboard: bool,
) -> Summary:
    torch.set_num_threads(threads)  # of spawned processes too
    run = Run(fabric, recipe, folder, seed, tensorboard=tensorboard)
    if fabric.global_rank == 0:
        write_whole(folder / _RECIPE, recipe.text.encode())  # its budget may be another now
    steps = recipe.budget.steps
    began = time.perf_counter()
    quiet = quiet or fabric.global_rank != 0
    with (
        feed(run.data, range(run.step, steps), fabric.global_rank, fabric.world_size) as batches,
        bar(recipe.name, run.step, steps, quiet=quiet) as shown,
        closing(run.board),
    ):
        for note in run.notes:
            shown.say(note)
        run.go(batches, shown)
        ended = time.perf_counter()
    running = ended - batches.began_s if batches.began_s else 0.0
    return Summary(
        folder / f"model{SUFFIX}",
        steps,
        run.best_step,
        run.best,
        ended - began,
        batches.first_s,
        batches.waited_s / running if running else 0.0,
    )

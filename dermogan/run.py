"""One run: its networks, its optimisers, and the loop.

Decision: networks are not wrapped for several devices. Every device computes its share of the
batch, and gradients are averaged in one message after the backward pass. For a few small networks
that share one loss this is as fast, and the system need not know about it.

Decision: a step is known by its number alone (batches, noise and pools draw from streams of it),
so a checkpoint is the state of the networks and optimisers, and resuming repeats every bit on the
CPU, with the same number of threads.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from dermogan.checkpoint import changes, load_checkpoint, machine, save_checkpoint, versions
from dermogan.data import Data
from dermogan.errors import DermoganError
from dermogan.feed import Feed
from dermogan.files import write_whole
from dermogan.model import SUFFIX, save_model
from dermogan.networks import BatchNorm, Generator, freeze
from dermogan.networks.norm import InstanceNorm
from dermogan.recipe import CycleGan, Recipe
from dermogan.report import Bar, Board, Log, Picture, panel, png
from dermogan.stacks import spacing_of
from dermogan.systems import Outcome, Patches, System, build_system
from dermogan.validate import Finding
from dermogan.validators import validator

if TYPE_CHECKING:
    from lightning_fabric import Fabric

CHECKPOINT, LOG, PICTURES, BOARD = "checkpoint.pt", "log.csv", "pictures", "tensorboard"
_CALIBRATION = 4  # batches
_SHOWN = 4  # pictures of a kind


class Run:
    """The state of a run, and the loop.

    Parameters
    ----------
    fabric : Fabric
    recipe : Recipe
    folder : Path
        Nothing is written to it before `go`.
    seed : int
    fresh : bool
        Begin anew, whatever checkpoint there is.

    Attributes
    ----------
    step : int
        Steps done.
    best, best_step : float, int
        Score of the model that is kept, and its step.
    notes : list of str
        What a user should know before it goes on.
    """

    def __init__(
        self, fabric: Fabric, recipe: Recipe, folder: Path, seed: int, *, fresh: bool = False
    ) -> None:
        self.fabric, self.recipe, self.folder, self.seed = fabric, recipe, folder, seed
        self.data = Data(recipe, seed)
        torch.manual_seed(seed)
        self.system: System = build_system(recipe.system).to(fabric.device)
        self.average = deepcopy(self.system.product).requires_grad_(False)
        self.makers = nn.ModuleList(self.system.makers())
        self.judges = nn.ModuleList(self.system.judges())
        self.optimisers = {
            name: torch.optim.Adam(
                list(networks.parameters()),
                lr=recipe.optimiser.rate,
                betas=(recipe.optimiser.beta1, 0.999),
            )
            for name, networks in (("makers", self.makers), ("judges", self.judges))
            if len(networks)
        }
        self.step, self.best, self.best_step = 0, -1.0, 0
        self._cpu_before = -time.process_time()  # of what this process did before
        self.notes = [*self.data.notes(), *self.system.notes()]
        if not fresh and (folder / CHECKPOINT).exists():
            self._restore(load_checkpoint(folder / CHECKPOINT, recipe, seed))
        self.validator = validator(recipe)
        self.board = Board(folder, 0, on=False)

    def go(self, batches: Feed, shown: Bar, *, tensorboard: bool = False) -> None:
        """Train to the end of the budget."""
        leads = self.fabric.global_rank == 0
        self.board = Board(self.folder / BOARD, self.step, on=tensorboard and leads)
        with closing(self.board):
            self._loop(batches, shown)

    def _loop(self, batches: Feed, shown: Bar) -> None:
        budget, leads = self.recipe.budget, self.fabric.global_rank == 0
        log = Log(self.folder / LOG, self.step) if leads else None
        while self.step < budget.steps:
            patches = Patches.of(batches.next(), self.fabric.device)
            losses, outcome = self.update(patches)
            self.step += 1
            _check_finite(losses, self.step)
            due = self.step == budget.steps
            score = None
            if leads and (due or self.step % budget.validate_every == 0):
                score = self._validate(shown)
            if log is not None:
                log.row(self.step, losses, score)
                self.board.row(self.step, losses, score)
            if leads and (due or self.step % budget.picture_every == 0):
                self._picture(patches, outcome)
            if leads and (due or self.step % budget.checkpoint_every == 0):
                self.board.flush()
                save_checkpoint(self.folder / CHECKPOINT, self.state())
            shown.step(losses)

    def update(self, patches: Patches) -> tuple[dict[str, float], Outcome]:
        """Make one step: the makers, then the judges on what was made."""
        self.judges.requires_grad_(False)  # they pass gradients on and keep none
        outcome = self._descend("makers", lambda: self.system.maker_losses(patches))
        parts = dict(outcome.parts)
        if len(self.judges) and not self.system.is_warming(patches.step):
            self.judges.requires_grad_(True)
            judged = self._descend(
                "judges", lambda: self.system.judge_losses(patches, outcome.made)
            )
            parts |= judged.parts
        self._follow()
        means = self.fabric.all_reduce(
            torch.stack([part.detach().float() for part in parts.values()])
        )
        return dict(zip(parts, cast(Tensor, means).tolist(), strict=True)), outcome

    def _descend(self, which: str, losses: Callable[[], Outcome]) -> Outcome:
        optimiser = self.optimisers[which]
        optimiser.zero_grad(set_to_none=True)
        with self.fabric.autocast():
            outcome = losses()
        outcome.total.backward()
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        average_gradients(self.fabric, parameters)
        for group in optimiser.param_groups:
            group["lr"] = self._rate(which)
        optimiser.step()
        return outcome

    def _rate(self, which: str) -> float:
        """Return the learning rate of this step, of makers or judges."""
        if isinstance(self.recipe.system, CycleGan) and self.step < self.recipe.warm_steps:
            return self.recipe.system.warm_rate
        steps, start = self.recipe.budget.steps, self.recipe.optimiser.decay_from
        left = steps - self.step
        pace = min(1.0, left / (steps * (1 - start))) if start < 1 else 1.0
        spec = self.recipe.optimiser
        return pace * ((spec.judges_rate if which == "judges" else None) or spec.rate)

    @torch.no_grad()
    def _follow(self) -> None:
        """Let the averaged weights follow; in the beginning they follow closely."""
        memory = min(self.recipe.optimiser.ema, (1 + self.step) / (10 + self.step))
        pairs = zip(self.average.parameters(), self.system.product.parameters(), strict=True)
        for mine, its in pairs:
            mine.lerp_(its, 1 - memory)
        for part, its_part in zip(
            self.average.modules(), self.system.product.modules(), strict=True
        ):
            if isinstance(part, BatchNorm) and isinstance(its_part, BatchNorm):
                part.mean.lerp_(its_part.mean, 1 - memory)
                part.variance.lerp_(its_part.variance, 1 - memory)

    @torch.no_grad()
    def _calibrate(self) -> None:
        """Give the averaged weights the statistics of their own features, on training batches."""
        for part in self.average.modules():
            if isinstance(part, InstanceNorm):
                part.seen.zero_()
        freeze(self.average, frozen=True)  # those of batches follow with the weights
        self.average.train()
        for step in range(self.step, self.step + _CALIBRATION):
            patches = Patches.of(self.data.batch(step), self.fabric.device)
            self.average(self.system.seen_by_product(patches))
        self.average.eval()

    def _validate(self, shown: Bar) -> float:
        self._calibrate()
        finding = self.validator(cast(Generator, self.average), self.fabric.device)
        if finding.score > self.best or self.recipe.validation.keep == "last":
            self.best, self.best_step = finding.score, self.step
            save_model(self.folder / f"model{SUFFIX}", self.average, self.recipe, self._card())
        name = self.recipe.validation.score
        shown.say(
            f"step {self.step}: {name} {finding.score:.3f}, "
            f"kept {self.best:.3f} at step {self.best_step}"
        )
        self._picture_of(finding)
        return finding.score

    def _card(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe.name,
            "seed": self.seed,
            "step": self.step,
            "score": self.best,
            "score_name": self.recipe.validation.score,
            "output": self.validator.output,
            "diameter_px": self.validator.diameter_px,
            "trainer_cpu_s": round(self._cpu(), 1),
            **self._voxel(),
            "versions": versions(),
        }

    def _voxel(self) -> dict[str, Any]:
        """Return the size of a voxel of what is learnt from; its preset may be far away later."""
        if self.recipe.data.volume is None:
            return {}
        return {"voxel_um": spacing_of(self.recipe.validation.source)}

    def _cpu(self) -> float:
        return self._cpu_before + time.process_time()

    def _picture(self, patches: Patches, outcome: Outcome) -> None:
        rows = [self.system.seen_by_product(patches), *outcome.made.values()]
        shown = [[image[0].float().cpu().numpy() for image in row[:_SHOWN]] for row in rows]
        self._show("training", f"step-{self.step:07}", panel(shown))

    def _picture_of(self, finding: Finding) -> None:
        rows = [finding.images, finding.probabilities, finding.priors]
        self._show("validation", "validation", panel([row[:_SHOWN] for row in rows]))

    def _show(self, kind: str, name: str, picture: Picture) -> None:
        write_whole(self.folder / PICTURES / f"{name}.png", png(picture))
        self.board.picture(kind, picture, self.step)

    def _machine(self) -> dict[str, str]:
        fabric = self.fabric
        return machine(fabric.device, fabric.world_size, str(fabric.strategy.precision.precision))

    def state(self) -> dict[str, Any]:
        """Return everything that a checkpoint holds."""
        return {
            "step": self.step,
            "seed": self.seed,
            "recipe": self.recipe.text,
            "machine": self._machine(),
            "system": self.system.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": {name: one.state_dict() for name, one in self.optimisers.items()},
            "torch_rng": torch.get_rng_state(),
            "best": {"score": self.best, "step": self.best_step},
            "cpu_s": self._cpu(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        changed = changes(state, self._machine())
        self.notes += [changed] if changed else []
        self.step = state["step"]
        self.system.load_state_dict(state["system"])
        self.average.load_state_dict(state["average"])
        for name, one in self.optimisers.items():
            one.load_state_dict(state["optimisers"][name])
        torch.set_rng_state(state["torch_rng"])
        self.best, self.best_step = state["best"]["score"], state["best"]["step"]
        self._cpu_before += state["cpu_s"]


def average_gradients(fabric: Fabric, parameters: list[nn.Parameter]) -> None:
    """Average gradients over the devices, in one message."""
    if fabric.world_size == 1:
        return
    for p in parameters:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
    grads = [cast(Tensor, p.grad) for p in parameters]
    mean = cast(Tensor, fabric.all_reduce(torch.cat([g.flatten() for g in grads])))
    for grad, part in zip(grads, mean.split([g.numel() for g in grads]), strict=True):
        grad.copy_(part.view_as(grad))


def _check_finite(losses: dict[str, float], step: int) -> None:
    bad = [name for name, value in losses.items() if not math.isfinite(value)]
    if bad:
        msg = (
            f"step {step}: the loss {bad[0]} is not finite; train again with a lower optimiser.rate"
        )
        raise DermoganError(msg)

"""Train a StarDist model on simcell's cells: StarDist's own network, loss and loop.

Decision: only pictures and their order are ours. The library builds the network, trains it, and
chooses both thresholds on scenes that it was not trained on; with weights that have been rounded
as they are stored, so that the thresholds are those of the file.

Decision: the network is small, and sees every second pixel of its output: cells are brought to
20 px before (`dermogan.starscenes.DIAMETER`), where this is fine enough.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

import simcell
from dermogan.degrade import Labels
from dermogan.evaluation import pooled
from dermogan.metrics import objects
from dermogan.starfile import write_stars
from dermogan.stars import library
from dermogan.starscenes import DIAMETER, DIAMETERS, PRESETS, Scenes
from dermogan.tiles import Map
from simcell.settings import write

ABOUT = "Splits maps of interiors, of tissue as well as of separate cells, into star-convex cells"
_EPOCH = 50  # steps
_WARM = 100
_JUDGED = 24  # scenes that thresholds are chosen on


@dataclass(frozen=True)
class Plan:
    """All that makes a model.

    Attributes
    ----------
    steps, batch, patch_px : int
        Of training.
    rate : float
        Highest learning rate; it rises at first, and falls along a cosine.
    filters, depth, rays : int
        Of the network: channels at its finest level, levels, and directions of a star.
    scenes : int
        That pictures are drawn from.
    seed : int
    """

    steps: int = 1500
    batch: int = 4
    patch_px: int = 96
    rate: float = 1e-3
    filters: int = 16
    depth: int = 3
    rays: int = 32
    scenes: int = 240
    seed: int = 0


Kept = dict[int, tuple[Map, Labels]]


class Pictures:
    """Pictures, or their labels, by number: what StarDist asks for, drawn when it asks."""

    def __init__(self, plan: Plan, scenes: Scenes, which: int, kept: Kept) -> None:
        self._plan, self._scenes, self._which, self._kept = plan, scenes, which, kept

    def __len__(self) -> int:
        """Return how many there are."""
        return self._plan.steps * self._plan.batch

    def __getitem__(self, number: int) -> Map | Labels:
        """Draw a pair, and return its half; the last pair is kept for the other one."""
        number = int(number)
        pair = self._kept.get(number)
        if pair is None:
            rng = np.random.default_rng((self._plan.seed, 1, number))
            scene = number % self._plan.scenes
            pair = self._scenes.pair(rng, scene, self._plan.patch_px)
            self._kept.clear()
            self._kept[number] = pair
        return pair[self._which]


def pictures(plan: Plan) -> tuple[Pictures, Pictures]:
    """Return the pictures that a plan trains on, and their labels."""
    kept: Kept = {}
    scenes = Scenes(plan.seed, plan.patch_px)
    return Pictures(plan, scenes, 0, kept), Pictures(plan, scenes, 1, kept)


def held_out(plan: Plan, count: int, first: int = 0) -> tuple[list[Map], list[Labels]]:
    """Return whole pictures of scenes that are not trained on, and their labels."""
    scenes = Scenes(plan.seed, plan.patch_px)
    pairs = [
        scenes.pair(np.random.default_rng((plan.seed, 2, k)), plan.scenes + k)
        for k in range(first, first + count)
    ]
    return [picture for picture, _ in pairs], [labels for _, labels in pairs]


def judged(model: Any, plan: Plan) -> dict[str, float]:  # noqa: ANN401 - of an optional library
    """Return pooled F1 on scenes that neither weights nor thresholds know."""
    counts = []
    for picture, truth in zip(*held_out(plan, _JUDGED, first=_JUDGED), strict=True):
        labels, _ = model.predict_instances(picture)
        counts.append(objects(truth, np.asarray(labels, np.int32), (0.5, 0.7)))
    half, most = (pooled(list(each)) for each in zip(*counts, strict=True))
    return {"f1_50": round(half.f1, 4), "f1_70": round(most.f1, 4)}


def rate_at(plan: Plan, step: int) -> float:
    """Return the learning rate of a step.

    Examples
    --------
    >>> plan = Plan(steps=1000, rate=1.0)
    >>> [round(rate_at(plan, step), 2) for step in (0, 49, 99, 550, 999)]
    [0.01, 0.5, 1.0, 0.5, 0.0]
    """
    if step < _WARM:
        return plan.rate * (step + 1) / _WARM
    done = (step - _WARM) / max(plan.steps - _WARM, 1)
    return plan.rate * (1 + math.cos(math.pi * min(done, 1.0))) / 2


def train_stars(
    plan: Plan,
    out: Path,
    *,
    threads: int = 1,
    report: Callable[[dict[str, float]], None] | None = None,
) -> dict[str, Any]:
    """Train a model and write it.

    Parameters
    ----------
    plan : Plan
    out : Path
        File to write.
    threads : int
        Of TensorFlow.
    report : callable, optional
        Called after every step with the losses.

    Returns
    -------
    dict
        The model's card.
    """
    start = time.process_time()
    model = _built(plan, threads)
    with redirect_stdout(StringIO()):  # the library and Keras tell of everything that they do
        _fit(model, plan, report)
        weights = [w.astype(np.float16).astype(np.float32) for w in model.keras_model.get_weights()]
        model.keras_model.set_weights(weights)
        thresholds = model.optimize_thresholds(
            *held_out(plan, _JUDGED), optimize_kwargs={"verbose": 0}, save_to_json=False
        )
        scores = judged(model, plan)
    card = {
        "name": out.stem,
        "about": ABOUT,
        "output": "stars",
        "diameter_px": DIAMETER,
        "diameters_px": list(DIAMETERS),
        "presets": sorted(name for name, _ in PRESETS),
        "seed": plan.seed,
        "steps": plan.steps,
        "cpu_hours": round((time.process_time() - start) / 3600, 3),
        "thresholds": thresholds,
        "scores": {"spoilt priors, held out": scores},
        "versions": _versions(),
        "config": _config(model),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write_stars(out, weights, card, write(asdict(plan)))
    return card


def _built(plan: Plan, threads: int) -> Any:  # noqa: ANN401 - of an optional library
    models = library("to train a model")
    tf = import_module("tensorflow")
    with suppress(RuntimeError):  # it has run before in this process, and keeps its threads
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.keras.utils.set_random_seed(plan.seed)
    config = models.Config2D(
        n_rays=plan.rays,
        grid=(2, 2),
        unet_n_depth=plan.depth,
        unet_n_filter_base=plan.filters,
        net_conv_after_unet=2 * plan.filters,
        train_patch_size=(plan.patch_px, plan.patch_px),
        train_batch_size=plan.batch,
        train_learning_rate=plan.rate,
        train_reduce_lr=None,
        train_foreground_only=0.0,
        train_sample_cache=False,
        train_tensorboard=False,
    )
    with redirect_stdout(StringIO()):
        return models.StarDist2D(config, name="stardist", basedir=None)


def _fit(
    model: Any,  # noqa: ANN401 - of an optional library
    plan: Plan,
    report: Callable[[dict[str, float]], None] | None,
) -> None:
    taken = 0

    def before(batch: int, logs: object = None) -> None:  # noqa: ARG001 - as Keras calls it
        model.keras_model.optimizer.learning_rate = rate_at(plan, taken)

    def after(batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG001
        nonlocal taken
        taken += 1
        if report and taken <= plan.steps:
            report({key: (logs or {}).get(key, math.nan) for key in ("prob_loss", "dist_loss")})

    model.prepare_for_training()
    hooks = import_module("csbdeep.utils.tf").keras_import("callbacks").LambdaCallback
    model.callbacks.append(hooks(on_train_batch_begin=before, on_train_batch_end=after))
    epochs = -(-plan.steps // _EPOCH)
    model.train(
        *pictures(plan),
        validation_data=held_out(plan, 2),
        epochs=epochs,
        steps_per_epoch=-(-plan.steps // epochs),
        seed=plan.seed,
    )


def _config(model: Any) -> dict[str, Any]:  # noqa: ANN401 - of an optional library
    """Return what the library needs to build the network again; the rest is how it was trained."""
    settings = vars(model.config).items()
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in settings
        if key.startswith("unet_") or key in {"axes", "n_rays", "grid", "net_conv_after_unet"}
    }


def _versions() -> dict[str, str]:
    import platform
    from importlib.metadata import version

    names = ("stardist", "csbdeep", "tensorflow", "keras", "numpy")
    return {"simcell": simcell.__version__, "python": platform.python_version()} | {
        name: version(name) for name in names
    }

"""What few annotated images are worth: three ways to train, by cross-validation.

After Zargari et al., iScience 27, 109740 (2024): cGAN-Seg on few images, conventional training on
the same few, and conventional training on many. All three share their segmenter, augmentations,
number of steps, validation images and test images.

Decision: every image is a test image of one fold. Of the others, the first few choose the model
that is kept, the next are those of "few", and all that choose nothing are "many".

Decision: a score is that of an image, then a mean over images, as in the paper, and a mean over
folds; the spread is that of folds.
"""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dermogan import metrics
from dermogan.domains import LabelledSource
from dermogan.errors import DermoganError
from dermogan.files import write_whole
from dermogan.images import name_of, read_image, read_labels, write_labels
from dermogan.labelled import files_of
from dermogan.model import load_model
from dermogan.recipe import CganSeg, Recipe, Supervised
from dermogan.segmentation import segment
from dermogan.trainer import train
from dermogan.validate import dice
from simcell import stream

SCENARIOS = {
    "cgan-few": "cGAN-Seg on few",
    "conventional-few": "conventional on few",
    "conventional-many": "conventional on many",
}
THRESHOLDS = metrics.THRESHOLDS
Scores = dict[str, Any]


@dataclass(frozen=True)
class Fold:
    """Names of images, by what they are for."""

    test: tuple[str, ...]
    validation: tuple[str, ...]
    few: tuple[str, ...]
    many: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What is compared.

    Attributes
    ----------
    data : Path
        Folder of images/ and masks/.
    recipe : Recipe
        Of the system cgan-seg; where its images come from is replaced.
    folds, few, validation : int
        Number of folds, of images that are few, and of those that choose the model.
    seed : int
        Of the folds, and of the training.
    """

    data: Path
    recipe: Recipe
    folds: int = 5
    few: int = 10
    validation: int = 4
    seed: int = 0

    def split(self) -> list[Fold]:
        """Divide the images."""
        names = [name_of(image) for image, _ in files_of(LabelledSource(path=str(self.data)))]
        spare = len(names) - -(-len(names) // self.folds) - self.validation - self.few
        if spare < 0:
            msg = f"{self.data}: {len(names)} images, {-spare} too few for {self.folds} folds with"
            raise DermoganError(f"{msg} --few {self.few} and --validation {self.validation}")
        order = stream(self.seed, 0, "protocol.folds").permutation(sorted(names)).tolist()
        found = []
        for part in np.array_split(np.arange(len(order)), self.folds):
            test = [order[at] for at in part]
            rest = [name for name in order[part[-1] + 1 :] + order[: part[0]] if name not in test]
            known = rest[self.validation :]
            few = known[: self.few]
            found.append(Fold(*map(tuple, (test, rest[: self.validation], few, known))))
        return found

    def recipe_of(self, fold: Fold, scenario: str) -> Recipe:
        """Return the recipe of one training."""
        tree = self.recipe.model_dump()
        system = self.recipe.system
        if not isinstance(system, CganSeg):
            msg = f"--recipe {self.recipe.name}: is of the system {system.kind}, not cgan-seg"
            raise DermoganError(msg)
        if not scenario.startswith("cgan"):
            tree["system"] = Supervised(network=system.network).model_dump()
            tree["data"]["priors"] = None
        names = fold.many if scenario.endswith("many") else fold.few
        tree["data"]["pairs"] = self._source(names)
        tree["validation"] |= {
            "source": self._source(fold.validation),
            "count": len(fold.validation),
            "score": "dice",
        }
        return Recipe.model_validate(tree)

    def _source(self, names: Sequence[str]) -> dict[str, Any]:
        gap = getattr(self.recipe.data.pairs, "gap_px", 1)
        path = str(self.data.resolve())
        return LabelledSource(path=path, names=tuple(names), gap_px=gap).model_dump()


def carry_out(
    plan: Plan,
    out: Path,
    scenarios: Sequence[str] = tuple(SCENARIOS),
    *,
    threads: int = 1,
    quiet: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> list[Scores]:
    """Train and score all that is not done yet; everything that is done stays in ``out``."""
    folds = plan.split()
    _check_same(plan, out)
    found = []
    for number, fold in enumerate(folds, 1):
        for scenario in scenarios:
            home = out / f"fold-{number}" / scenario
            recipe = plan.recipe_of(fold, scenario)
            if not (home / _DONE).exists():
                say(f"fold {number} of {len(folds)}: {SCENARIOS[scenario]}")
                begun = (home / "recipe.yaml").exists()
                train(recipe, home, seed=plan.seed, resume=begun, threads=threads, quiet=quiet)
                scores = _scores(home, plan.data, fold.test)
                write_whole(home / _DONE, json.dumps(scores, indent=1).encode())
            found.append(
                {"fold": number, "scenario": scenario, **json.loads((home / _DONE).read_text())}
            )
    return found


_DONE, _PLAN = "scores.json", "plan.json"


def _check_same(plan: Plan, out: Path) -> None:
    """Refuse to go on with another plan than the one that was begun."""
    told = {
        "data": str(plan.data.resolve()),
        "folds": plan.folds,
        "few": plan.few,
        "validation": plan.validation,
        "seed": plan.seed,
        "recipe": plan.recipe.text,
    }
    path = out / _PLAN
    if path.exists():
        before = json.loads(path.read_text("utf-8"))
        other = next((name for name in told if before.get(name) != told[name]), None)
        if other is not None:
            msg = f"{out}: was begun with another {other}; choose another --out"
            raise DermoganError(msg)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(told, indent=1).encode())


def _scores(home: Path, data: Path, names: Sequence[str]) -> Scores:
    """Segment and score the images of a fold."""
    model, rows, spent = load_model(home), [], 0.0
    (home / "labels").mkdir(exist_ok=True)
    for image, mask in files_of(LabelledSource(path=str(data), names=tuple(names))):
        picture, truth = read_image(image), read_labels(mask)
        began = time.process_time()
        made = segment(model, picture).labels
        spent += time.process_time() - began
        write_labels(home / "labels" / f"{name_of(image)}.tif", made)
        f1 = [counts.f1 for counts in metrics.objects(truth, made, THRESHOLDS)]
        rows.append([*f1, dice(made > 0, truth > 0)])
    mean = np.mean(rows, axis=0).tolist()
    return {
        "f1": mean[:-1],
        "dice": mean[-1],
        "train_cpu_s": model.card["trainer_cpu_s"],
        "cpu_s_per_image": spent / len(names),
        "images": dict(zip(names, np.asarray(rows).tolist(), strict=True)),
    }


def as_csv(found: Sequence[Scores]) -> str:
    """Return a row for every fold and scenario."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    heads = [f"f1_{round(100 * iou)}" for iou in THRESHOLDS]
    table.writerow(["fold", "scenario", *heads, "dice", "train_cpu_s", "cpu_s_per_image"])
    for row in found:
        values = [*row["f1"], row["dice"], row["train_cpu_s"], row["cpu_s_per_image"]]
        table.writerow([row["fold"], row["scenario"], *(f"{value:.6g}" for value in values)])
    return text.getvalue()


def as_markdown(found: Sequence[Scores]) -> str:
    """Return the table of all folds, and what cGAN-Seg gains over conventional training."""
    folds = sorted({row["fold"] for row in found})
    heads = [f"fold {fold}" for fold in folds]
    lines = [
        "| training | " + " | ".join(heads) + " | F1 at IoU 0.5 | at 0.7 | Dice | CPU s to train |",
        "|---" * 1 + "|---:" * (len(folds) + 4) + "|",
    ]
    for scenario, title in SCENARIOS.items():
        rows = [row for row in found if row["scenario"] == scenario]
        if not rows:
            continue
        each = {row["fold"]: row["f1"][0] for row in rows}
        cells = [f"{each[fold]:.3f}" if fold in each else "–" for fold in folds]
        values = [[row["f1"][0] for row in rows], [row["f1"][4] for row in rows]]
        values.append([row["dice"] for row in rows])
        cost = np.mean([row["train_cpu_s"] for row in rows])
        cells += [_spread(value) for value in values]
        lines.append(f"| {title} | " + " | ".join(cells) + f" | {cost:.0f} |")
    return "\n".join(lines) + "\n" + _gain(found)


def _spread(values: Sequence[float]) -> str:
    sd = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{sd}"


def _gain(found: Sequence[Scores]) -> str:
    """Say what cGAN-Seg gains, fold by fold."""
    by = {(row["fold"], row["scenario"]): row["f1"][0] for row in found}
    gains = [
        value - by[fold, "conventional-few"]
        for (fold, scenario), value in by.items()
        if scenario == "cgan-few" and (fold, "conventional-few") in by
    ]
    if not gains:
        return ""
    better = sum(gain > 0 for gain in gains)
    said = f"gain of cGAN-Seg over conventional training on the same images: {_spread(gains)} F1"
    return f"\n{said}, above 0 in {better} of {len(gains)} folds\n"


def write(found: Sequence[Scores], out: str | os.PathLike[str]) -> list[Path]:
    """Write the results as JSON, CSV and Markdown."""
    texts = {
        "protocol.json": json.dumps({"iou": THRESHOLDS, "results": list(found)}, indent=1) + "\n",
        "protocol.csv": as_csv(found),
        "protocol.md": as_markdown(found),
    }
    for name, text in texts.items():
        write_whole(Path(out) / name, text.encode())
    return [Path(out) / name for name in texts]

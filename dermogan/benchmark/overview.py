"""One table of every system on every set: what it scores, what the papers report, what it costs."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dermogan.benchmark import volumes
from dermogan.benchmark.maps import MapRow
from dermogan.benchmark.methods import STAR
from dermogan.benchmark.published import PUBLISHED, Score
from dermogan.benchmark.score import Result, Row
from dermogan.benchmark.sets import PRESET
from dermogan.benchmark.tables import NAMES
from dermogan.benchmark.worlds import WORLDS, World
from dermogan.cards import find_model, model_files, read_header
from dermogan.errors import DermoganError
from dermogan.model import load_model
from dermogan.protocol import SCENARIOS, THRESHOLDS

CELLS, VOLUMES = "cells", "volumes"


@dataclass(frozen=True)
class Line:
    """A method on a set of images.

    Attributes
    ----------
    method, scored_on : str
    scores : tuple of Score
        Empty where it cannot run.
    published : tuple of Score
        Of the papers, on images of their own.
    trained_s, image_s : float or None
        CPU seconds of training, and of an image.
    note : str
        Why there are no scores.
    simulated : bool
        Whether the images are; else they are a folder's.
    """

    method: str
    scored_on: str
    scores: tuple[Score, ...]
    published: tuple[Score, ...] = ()
    trained_s: float | None = None
    image_s: float | None = None
    note: str = ""
    simulated: bool = True


def divided(models: Sequence[str]) -> dict[str, list[str]]:
    """Return which models, ``NAME=PATH``, a path or a name, go with which set.

    Parameters
    ----------
    models : sequence of str
        None: all that have names, but those of cells, which `methods` finds by itself.
    """
    found: dict[str, list[str]] = {name: [] for name in (CELLS, *WORLDS, VOLUMES)}
    for text in models or _whole():
        name, equals, place = text.partition("=")
        model = load_model(find_model(place if equals else name))
        if model.output == "volume":
            found[VOLUMES].append(text)
        elif model.classes:
            fitting = [world.name for world in WORLDS.values() if world.classes == model.classes]
            if models and not fitting:
                shown = ", ".join(model.classes)
                raise DermoganError(f"--model {text}: names {shown}; no set has these classes")
            for world in fitting:
                found[world].append(text)
        elif models:
            found[CELLS].append(text)
    return found


def _whole() -> list[str]:
    """Return the names of models whose files can be read: a damaged one hides no others."""
    found = []
    for name, path in model_files().items():
        with suppress(DermoganError):
            read_header(path)
            found.append(name)
    return found


def of_cells(results: Sequence[Result]) -> list[Line]:
    """Return the lines of methods that find cells, set by set, the best first."""
    return [_of_cells(row, result) for result in results for row in result.ranked()]


def _of_cells(row: Row, result: Result) -> Line:
    method = row.method
    named = method.recipe or method.name
    if method.name.endswith(STAR):
        named += STAR
    published, made = PUBLISHED.get(named, ()), result.name == PRESET
    if not row.outcomes:
        note = f"missing: {method.lacks}"
        return Line(method.name, result.name, (), published, note=note, simulated=made)
    several = len(row.outcomes) > 1
    scores = []
    for at, name in enumerate(result.scores):
        told = row.summary(name)
        spread = told["spread"] if several and at == 0 else None
        scores.append(Score(NAMES[name], (told["median"],), spread))
    name = f"{method.name} ({len(row.outcomes)} seeds)" if several else method.name
    costs = method.trained_s, row.cpu_s
    return Line(name, result.name, tuple(scores), published, *costs, simulated=made)


def of_maps(world: World, rows: Sequence[MapRow]) -> list[Line]:
    """Return the lines of models that name classes: sensitivities and specificities in percent."""
    published = tuple(
        Score(f"{name} %", world.published[name], digits=0)
        for name in ("sensitivity", "specificity")
        if name in world.published
    )
    lines = []
    for row in rows:
        table, band = row.scores.table, row.scores.band
        scores = [
            Score("sensitivity %", tuple((100 * table.sensitivity).tolist()), digits=1),
            Score("specificity %", tuple((100 * table.specificity).tolist()), digits=1),
        ]
        if band is not None:
            scores.append(
                Score(f"{world.band}, % too thick", (100 * band.thickness_bias,), None, 0)
            )
            scores.append(Score("its place, µm off", (band.error_um,), None, 2))
        on = f"{world.name}: {', '.join(world.classes)}"
        theirs = published if row.recipe in world.recipes else ()
        lines.append(Line(row.name, on, tuple(scores), theirs, row.train_cpu_s, row.cpu_s))
    return lines


def of_volumes(results: Sequence[volumes.Result]) -> list[Line]:
    """Return the lines of methods that find nuclei and Golgi."""
    lines = []
    for one in results:
        row, kinds = one.scores.row(), ("nuclei", "golgi")
        known = [kind for kind in kinds if not math.isnan(row[f"dice_{kind}"])]
        scores = [
            Score(f"Dice of {' / '.join(known)}", tuple(row[f"dice_{kind}"] for kind in known)),
            Score("F1", tuple(row[f"f1_{kind}"] for kind in known)),
        ]
        if not math.isnan(row["pairing"]):
            scores.append(Score("pairing", (row["pairing"],), digits=2))
        published = PUBLISHED.get(one.recipe, ())
        on, costs = one.scored_on, (one.train_cpu_s, one.cpu_s)
        made = on == volumes.PRESET.stem
        lines.append(Line(one.method, on, tuple(scores), published, *costs, simulated=made))
    return lines


def of_protocol(text: str) -> list[Line]:
    """Return the lines of what `dermogan protocol` has written: ``NAME=FILE``, or its file."""
    name, equals, place = text.partition("=")
    path = Path(place if equals else name)
    try:
        found = json.loads(path.read_text("utf-8"))["results"]
        name = name if equals else path.resolve().parent.name
        lines = [
            _of_protocol(each, [row for row in found if row["scenario"] == each], name)
            for each in dict.fromkeys(row["scenario"] for row in found)
        ]
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        msg = f"--protocol {text}: not a protocol.json of dermogan protocol ({error})"
        raise DermoganError(msg) from None
    if not lines:
        msg = f"--protocol {text}: holds no result; run dermogan protocol again"
        raise DermoganError(msg)
    return lines


def _of_protocol(scenario: str, rows: Sequence[dict[str, Any]], name: str) -> Line:
    scores = [
        _over_folds("F1 at IoU 0.5", [row["f1"][0] for row in rows]),
        _over_folds("at 0.7", [row["f1"][THRESHOLDS.index(0.7)] for row in rows]),
    ]
    published = PUBLISHED["cgan-seg"] if scenario.startswith("cgan") else ()
    trained, image = (
        float(np.mean([row[key] for row in rows])) for key in ("train_cpu_s", "cpu_s_per_image")
    )
    on = f"{name}, {len(rows)} folds"
    costs = trained, image
    return Line(SCENARIOS[scenario], on, tuple(scores), published, *costs, simulated=False)


def _over_folds(name: str, values: Sequence[float]) -> Score:
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Score(name, (float(np.mean(values)),), spread)


def as_json(lines: Sequence[Line]) -> str:
    """Return all lines."""
    return json.dumps([_without_nan(asdict(line)) for line in lines], indent=1) + "\n"


def _without_nan(tree: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Put null where a number is not known; JSON has no NaN."""
    if isinstance(tree, dict):
        return {name: _without_nan(value) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_without_nan(value) for value in tree]
    return None if isinstance(tree, float) and math.isnan(tree) else tree


def as_csv(lines: Sequence[Line]) -> str:
    """Return a row for every method, set and score; what is not known is empty."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["method", "scored_on", "source", "score", "values", "spread", *_COSTS])
    for line in lines:
        costs = [_known(line.trained_s, ".6g"), _known(line.image_s, ".4g")]
        for source, scores in (("measured", line.scores), ("published", line.published)):
            for score in scores:
                values = " ".join("" if math.isnan(v) else f"{v:.6g}" for v in score.values)
                spread = _known(score.spread, ".6g")
                row = [line.method, line.scored_on, source, score.name, values, spread]
                table.writerow([*row, *(costs if source == "measured" else ["", ""])])
        if line.note:
            table.writerow([line.method, line.scored_on, line.note, "", "", "", *costs])
    return text.getvalue()


_COSTS = ("train_cpu_s", "image_cpu_s")


def _known(value: float | None, form: str, unknown: str = "") -> str:
    return unknown if value is None else format(value, form)


def as_markdown(lines: Sequence[Line]) -> str:
    """Return the table: a row for every method, its sets side by side, in the order of the lines.

    Costs are those of its first set.
    """
    heads = ("method", "on simulated images", "on folders", "the papers' own")
    rows = [
        f"| {' | '.join(heads)} | CPU s to train | an image |",
        "|---|---|---|---|---:|---:|",
    ]
    for method in dict.fromkeys(line.method for line in lines):
        mine = [line for line in lines if line.method == method]
        cells = [_cell([line for line in mine if line.simulated == on]) for on in (True, False)]
        published = "; ".join(map(str, mine[0].published)) or "–"
        costs = f"{_known(mine[0].trained_s, '.0f', '–')} | {_known(mine[0].image_s, '.2f', '–')}"
        rows.append(f"| {method} | {' | '.join(cells)} | {published} | {costs} |")
    return "\n".join(rows) + "\n"


def _cell(lines: Sequence[Line]) -> str:
    """Return the scores of a method on some sets."""
    told = [f"*{line.scored_on}* {'; '.join(map(str, line.scores)) or line.note}" for line in lines]
    return "<br>".join(told) or "–"

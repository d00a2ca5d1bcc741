"""Models that name classes on the frozen sets of `worlds`: scores, and tables of them.

Decision: every pixel of a set is counted together, as the papers do. Their own rows stand first,
from images of their own: what is told apart there is harder, or annotated differently, and the
rows show where a model stands, not who is better.
"""

from __future__ import annotations

import csv
import io
import json
import math
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dermogan.benchmark.worlds import World
from dermogan.cards import find_model, model_files, read_header, trained_s
from dermogan.classmaps import class_map
from dermogan.confusion import Confusion, confusion
from dermogan.errors import DermoganError
from dermogan.mapscores import Columns, MapScores, columns_of
from dermogan.model import Model, load_model

_SCORES = ("sensitivity", "specificity", "dice")


@dataclass(frozen=True)
class MapRow:
    """A model on a set.

    Attributes
    ----------
    name : str
    scores : MapScores
    train_cpu_s : float or None
        Of its training, as its card says.
    cpu_s : float
        CPU seconds per image.
    fingerprint : str
        Another one for other pixels.
    recipe : str
        Of the model.
    """

    name: str
    scores: MapScores
    train_cpu_s: float | None
    cpu_s: float
    fingerprint: str
    recipe: str


def chosen(world: World, models: Sequence[str]) -> dict[str, Model]:
    """Load the models that are asked for: ``NAME=PATH``, a path or a name; or all that fit.

    Raises
    ------
    DermoganError
        Where a model names other classes than the set has, or none fits.
    """
    given: dict[str, Model] = {}
    for text in models or _named(world):
        name, equals, place = text.partition("=")
        path = find_model(place if equals else name)
        if not equals:
            name = path.stem if path.stem != "model" else path.resolve().parent.name
        model = load_model(path)
        if model.classes != world.classes:
            shown = ", ".join(model.classes) or "none"
            msg = f"--model {text}: names {shown}; {world.name} has {', '.join(world.classes)}"
            raise DermoganError(msg)
        if name in given:
            msg = f"--model {text}: two models are named {name}; give another, as in NAME=PATH"
            raise DermoganError(msg)
        given[name] = model
    if not given:
        msg = f"--world {world.name}: no model with a name fits it; give one with --model"
        raise DermoganError(msg)
    return given


def _named(world: World) -> list[str]:
    """Return the names of models whose recipe names the set's preset."""
    found = []
    for name, path in model_files().items():
        try:
            card = read_header(path).card
        except DermoganError:  # a damaged file hides no others
            continue
        if card.get("output") == "classes" and world.preset in card.get("presets", []):
            found.append(name)
    return found


def measure_maps(
    world: World,
    models: dict[str, Model],
    *,
    first: int | None = None,
    report: Callable[[str], None] | None = None,
) -> list[MapRow]:
    """Run models on a set, or on its first images."""
    count = len(world.classes)
    tables = {name: Confusion(np.zeros((count, count + 1), np.int64)) for name in models}
    spent = dict.fromkeys(models, 0.0)
    bands: dict[str, list[Columns]] = {name: [] for name in models}
    images = range(min(first or world.count, world.count))
    crc = 0
    for index in images:
        image, truth, spacing_um = world.pair(index)
        crc = zlib.crc32(np.ascontiguousarray(image).tobytes(), crc)
        for name, model in models.items():
            if report:
                report(f"{index:02} {name}")
            start = time.process_time()
            found = class_map(model, world.classes, image).classes
            spent[name] += time.process_time() - start
            tables[name] += confusion(truth, found, count)
            if world.band:
                value = world.classes.index(world.band) + 1
                bands[name].append(columns_of(truth, found, value, spacing_um))
    return [
        MapRow(
            name,
            MapScores(world.classes, len(images), tables[name], _together(bands[name], world.band)),
            trained_s(model.card),
            spent[name] / len(images),
            f"{crc:08x}",
            model.recipe.name,
        )
        for name, model in models.items()
    ]


def _together(parts: Sequence[Columns], band: str) -> Columns | None:
    if not band:
        return None
    fields = ("true_um", "predicted_um", "off_um")
    return Columns(*(np.concatenate([getattr(one, name) for one in parts]) for name in fields))


def as_json(world: World, rows: Sequence[MapRow]) -> str:
    """Return all scores."""
    tree = {"world": world.name, "preset": world.preset, "classes": list(world.classes)}
    published = {"source": world.source, **world.published}
    return json.dumps(tree | {"published": published, "models": [_facts(r) for r in rows]}) + "\n"


def _facts(row: MapRow) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "model": row.name,
        "images": row.scores.images,
        "fingerprint": row.fingerprint,
        "cpu_s": round(row.cpu_s, 4),
        "train_cpu_s": None if row.train_cpu_s is None else round(row.train_cpu_s, 1),
        "counts": row.scores.table.counts.tolist(),
    }
    for score in _SCORES:
        facts[score] = [_known(v) for v in getattr(row.scores.table, score)]
    if row.scores.band is not None:
        facts["band"] = {
            name: _known(getattr(row.scores.band, name))
            for name in ("found", "thickness_bias", "bias_um", "error_um")
        }
    return facts


def _known(value: float) -> float | None:
    """Return what JSON can hold: null for what is not known."""
    return None if math.isnan(value) else round(float(value), 6)


def as_csv(world: World, rows: Sequence[MapRow]) -> str:
    """Return a row for every model and class."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["world", "model", "class", *_SCORES])
    for row in rows:
        for at, name in enumerate(world.classes):
            values = [f"{getattr(row.scores.table, score)[at]:.6g}" for score in _SCORES]
            table.writerow([world.name, row.name, name, *values])
    return text.getvalue()


def as_markdown(world: World, rows: Sequence[MapRow]) -> str:
    """Return a table of sensitivities and specificities in percent."""
    band = f" {world.band}: found | thickness | off, µm |" if world.band else ""
    lines = [
        f"### {world.name}",
        "",
        f"{rows[0].scores.images} images of {world.preset} with looks beyond its ranges; "
        f"sensitivity / specificity of classes in %; fingerprint {rows[0].fingerprint}",
        "",
        f"| model | {' | '.join(world.classes)} |{band} CPU s to train | CPU s / image |",
        "|---" + "|---:" * (len(world.classes) + (3 if band else 0) + 2) + "|",
    ]
    shown = [_published(world, at) for at in range(len(world.classes))]
    blanks = " – |" * ((3 if band else 0) + 2)
    lines.append(f"| published ({world.source}) | {' | '.join(shown)} |{blanks}")
    for row in rows:
        table = row.scores.table
        cells = [
            f"{100 * a:.1f} / {100 * b:.1f}"
            for a, b in zip(table.sensitivity, table.specificity, strict=True)
        ]
        measured = ""
        if (seen := row.scores.band) is not None:
            measured = (
                f" {seen.found:.1%} | {100 * seen.thickness_bias:+.0f} % | {seen.error_um:.2f} |"
            )
        trained = "–" if row.train_cpu_s is None else f"{row.train_cpu_s:.0f}"
        lines.append(
            f"| {row.name} | {' | '.join(cells)} |{measured} {trained} | {row.cpu_s:.2f} |"
        )
    return "\n".join(lines) + "\n"


def _published(world: World, at: int) -> str:
    values = [world.published.get(name) for name in ("sensitivity", "specificity")]
    return " / ".join("–" if some is None else f"{some[at]:g}" for some in values)

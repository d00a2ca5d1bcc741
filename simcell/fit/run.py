"""From fields to a preset: which fit what, and how it is put together.

Decision: the preset is that to start from with the estimates laid over it. Where a part
becomes another kind, it starts from that kind's defaults, and nothing of it varies but
what was estimated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from simcell.batch.progress import reported
from simcell.describe.cells import cells_of
from simcell.describe.field import Field
from simcell.errors import SimcellError
from simcell.fit import outlines, tissue
from simcell.fit.estimate import Estimate
from simcell.fit.expect import expectations
from simcell.fit.island import island
from simcell.fit.write import text_of
from simcell.paths import Tree, find, of_kind, put, under
from simcell.preset import Expectation, Preset
from simcell.scene import IN_BANDS, Scene

Progress = Callable[[str, float], None]
_CELLS_ACROSS = 8  # that a sample shows at least
_MOST_PX = 1024
_MARGIN = 2.5  # sides of a cell
_CHECKED = 24  # samples that are measured in the end
_TISSUE = {"voronoi", "power"}


@dataclass(frozen=True)
class Fitted:
    """A fitted preset, and what it rests on.

    Attributes
    ----------
    preset : Preset
    text : str
        The preset as YAML, with comments.
    estimates : tuple of Estimate
    notes : tuple of str
        What was assumed.
    """

    preset: Preset
    text: str
    estimates: tuple[Estimate, ...]
    notes: tuple[str, ...] = ()


def fit(
    fields: Sequence[Field],
    like: Preset,
    *,
    name: str | None = None,
    seed: int = 0,
    minutes: float = 10.0,
    workers: int = 1,
    progress: bool | None = False,
    notes: Sequence[str] = (),
) -> Fitted:
    """Fit a preset to fields of labels, of centres, of images, or of several of these.

    Parameters
    ----------
    fields : sequence of Field
        Of one tissue at one size of a pixel; see `simcell.describe.read.read_fields`.
    like : Preset
        Where what the data do not tell is taken from. Its cells, confluent or apart, are
        those that centres or images alone are read as.
    name : str, optional
        Of the preset; by default that of ``like`` and "-fitted".
    seed : int
        The same fields and seed give the same preset, whatever the number of workers.
    minutes : float
        Budget of matching images.
    workers : int
        Processes that match images.
    progress : bool or None
        True: bars; False: nothing; None: bars on a terminal, else lines on stderr.
    notes : sequence of str
        What was assumed in reading the fields.

    Returns
    -------
    Fitted
    """
    _check(fields, like)
    labelled = [f for f in fields if f.labels is not None and f.labels.any()]
    dotted = [f for f in fields if f.points is not None and len(f.points)]
    pictured = [f for f in fields if f.image is not None]
    said = list(notes)
    if labelled or dotted:
        with reported(100, 0, progress, "% of shapes") as advance:
            told = _in_steps(advance)
            shapes = _of_labels if labelled else _of_centres
            made = shapes(labelled or dotted, like, seed, told)
    else:
        from simcell.fit.unlabelled import fit_unlabelled

        made = fit_unlabelled(
            pictured, like, seed=seed, minutes=minutes, workers=workers, progress=progress
        )
    made = _framed(fields, like, made)
    preset = _laid_over(like, made)
    if pictured and (labelled or dotted):
        # What it measured tells the size of the cells that its lengths are for.
        start = replace(preset, expect=like.expect)
        made += _looks(pictured, start, bool(labelled), seed, minutes, workers, progress)
        preset = _laid_over(like, made)
    elif not pictured:
        made.append(Estimate("imaging", like.base.imaging.kind, how="no images", status="taken"))
    preset = _named(preset, like, name, fields, said)
    expect, off = _expected(preset, fields, seed)
    said += off
    preset = replace(preset, expect=expect)
    text = _written(preset, made)
    return Fitted(Preset.from_text(text, "fitted preset"), text, tuple(made), tuple(said))


def _looks(
    fields: Sequence[Field],
    preset: Preset,
    labelled: bool,
    seed: int,
    minutes: float,
    workers: int,
    progress: bool | None,
) -> list[Estimate]:
    """Estimate the imaging; of images without labels, what is told of cells is not asked for."""
    if labelled:
        from simcell.fit.imaging import fit_imaging as of_images
    else:
        from simcell.fit.unlabelled import fit_unlabelled as of_images
    made = of_images(fields, preset, seed=seed, minutes=minutes, workers=workers, progress=progress)
    return made if labelled else [one for one in made if under(one.path, "imaging")]


def _in_steps(advance: Callable[[int], None]) -> Progress:
    """Return what turns shares into steps of a hundredth."""
    done = 0

    def told(_: str, share: float) -> None:
        nonlocal done
        now = min(int(100 * share), 100)
        if now > done:
            advance(now - done)
            done = now

    return told


def _check(fields: Sequence[Field], like: Preset) -> None:
    if not fields:
        msg = "nothing to fit to: give at least one field"
        raise SimcellError(msg)
    kind = like.base.cells.kind
    if kind in {*IN_BANDS, "skin_layers", "masks", "simcep"} or like.base.frame.ndim != 2:
        msg = (
            f"--like {like.name}: cells of kind {kind!r} cannot be fitted; start from a preset of "
            "flat tissue or outlines, as confluent, rcm-sg or nonconfluent"
        )
        raise SimcellError(msg)
    for field in fields:
        y, x = field.spacing_um
        if abs(y / x - 1) > 0.02:
            msg = (
                f"{field.name}: pixels of {y:g} x {x:g} µm (y, x); samples have square ones: "
                "resample the images first"
            )
            raise SimcellError(msg)


def _of_labels(
    fields: list[Field], like: Preset, seed: int, progress: Progress | None
) -> list[Estimate]:
    confluent = sum(_is_tissue(field) for field in fields) > len(fields) / 2
    if confluent:
        kept = [field for field in fields if len(cells_of(field)) >= 3]
        if sum(int(cells_of(f)["surrounded"].sum()) for f in kept) < 8:
            msg = (
                "labels: fewer than 8 cells with all of their neighbours in sight; at least 8 are "
                "needed to tell the order of tissue: add label images"
            )
            raise SimcellError(msg)
        start = like.base if like.base.cells.kind in _TISSUE else Scene()
        return [*tissue.fit_labels(kept, start, seed, progress), *island(fields, like)]
    return [*outlines.fit_labels(fields, like.base, seed, progress), *_no_island(like)]


def _no_island(like: Preset) -> list[Estimate]:
    if like.base.region.kind == "full":
        return []
    return [Estimate("region.kind", "full", how="cells that stand apart lie anywhere")]


def _is_tissue(field: Field) -> bool:
    from simcell.describe.read import is_confluent

    assert field.labels is not None
    return field.annotated is not None or is_confluent(field.labels)


def _of_centres(
    fields: list[Field], like: Preset, seed: int, progress: Progress | None
) -> list[Estimate]:
    if like.base.cells.kind in _TISSUE:
        count = sum(len(f.points) for f in fields if f.points is not None)
        if count < 20:
            msg = f"points: {count} in all; at least 20 are needed to tell the order of tissue"
            raise SimcellError(msg)
        return tissue.fit_centres(fields, like.base, seed, progress)
    return outlines.fit_centres(fields, like.base, seed, progress)


def _framed(fields: Sequence[Field], like: Preset, made: list[Estimate]) -> list[Estimate]:
    """Add the frame: the data's pixels, and a field wide enough for the cells."""
    spacing = float(np.mean([s for f in fields for s in f.spacing_um]))
    density = next(
        (float(e.value) for e in made if e.path in {"points.density", "points.activity"}), None
    )
    radius = next((float(e.value) for e in made if e.path == "cells.radius_um"), 0.0)
    frame = like.base.frame
    side = 2.2 * radius
    if not side and density:
        side = 1000.0 / density**0.5
    found = [Estimate("frame.spacing_um", spacing, how="as given, or as the files say")]
    if not side:
        return [*found, *made]
    least = 32 * int(np.ceil(_CELLS_ACROSS * side / spacing / 32))
    shape = [min(max(n, least), max(_MOST_PX, n)) for n in frame.shape]
    margin = min(float(f"{_MARGIN * side:.3g}"), 1e4)
    if shape != list(frame.shape):
        how = f"room for {_CELLS_ACROSS} cells across"
        found.append(Estimate("frame.shape", shape, how=how))
    found.append(Estimate("frame.margin_um", margin, how="two cells and a half"))
    return [*found, *made]


def _laid_over(like: Preset, made: Sequence[Estimate]) -> Preset:
    """Lay estimates over the preset to start from: kinds first, then numbers, then ranges."""
    tree: Tree = like.base.model_dump(mode="json")
    vary = dict(like.vary)
    for one in made:
        part, _, last = one.path.rpartition(".")
        if last == "kind" and find(tree, one.path) != one.value:
            tree = put(tree, part, of_kind(Scene, part, one.value))
            vary = {p: law for p, law in vary.items() if not under(p, part)}
    for one in made:
        if one.path.rpartition(".")[2] == "kind" or one.path == "imaging":
            continue
        find(tree, one.path)
        tree = put(tree, one.path, one.value)
        # What varied as a whole, or with other things, gives way to the estimate.
        vary = {p: law for p, law in vary.items() if not (under(p, one.path) or under(one.path, p))}
    for one in made:
        if one.vary is not None:
            vary[one.path] = one.vary
    if any(one.path == "frame.spacing_um" for one in made):
        vary.pop("frame.spacing_um", None)
    scene = Scene.model_validate(tree)
    return replace(like, base=scene, vary=vary, expect={})


def _named(
    preset: Preset, like: Preset, name: str | None, fields: Sequence[Field], notes: Sequence[str]
) -> Preset:
    parts = {
        "label images": sum(f.labels is not None for f in fields),
        "tables of centres": sum(f.points is not None for f in fields),
        "images": sum(f.image is not None for f in fields),
    }
    had = ", ".join(f"{n} {what}" for what, n in parts.items() if n)
    # Tests and reproducible builds set the clock by this variable.
    source = f"fitted from {had}, {date.today().isoformat()}"
    start = f"started from the preset {like.name!r}: {_one_line(like.about)}"
    assumed = [f"assumed: {line}" for line in notes]
    about = f"Fitted with `simcell fit`, starting from {like.name!r}."
    return replace(
        preset,
        name=name or f"{like.name}-fitted",
        about=about,
        sources=(source, start, *assumed, *like.sources),
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _expected(
    preset: Preset, fields: Sequence[Field], seed: int
) -> tuple[dict[str, Expectation], list[str]]:
    """Return what the data expect of samples, less what these samples do not reach.

    The preset is checked with a few samples. What is off is told, and left out, so that
    `check` tells later whether a change of the preset moved anything.
    """
    from simcell.check import check

    wanted = expectations(fields)
    if preset.base.cells.kind in _TISSUE:
        for name in ("covered", "circularity", "elongation", "nearest_um"):
            wanted.pop(name, None)
    if not any(path.startswith("imaging") for path in preset.vary):
        wanted = {n: e for n, e in wanted.items() if not n.startswith("image")}
    findings = check(replace(preset, expect=wanted), _CHECKED, seed=seed)
    kept, off = dict(wanted), []
    for found in findings:
        if not found.expected:
            continue
        room = 2.0 * found.error if np.isfinite(found.error) else 0.0
        if found.low + room <= found.value <= found.high - room:
            continue
        if found.low <= found.value <= found.high:
            low, high = found.value - room, found.value + room
            wider = Expectation(
                low=float(f"{min(low, found.low):.4g}"), high=float(f"{max(high, found.high):.4g}")
            )
            kept[found.name] = wider
            continue
        off.append(
            f"not reached: {found.name}: data {found.low:.4g} to {found.high:.4g}, samples "
            f"{found.value:.4g}; left out of `expect`"
        )
        kept.pop(found.name)
    return kept, off


def _written(preset: Preset, made: Sequence[Estimate]) -> str:
    content = {
        "name": preset.name,
        "about": preset.about,
        "sources": list(preset.sources),
        "scene": preset.base.model_dump(mode="json"),
        "vary": {p: d.model_dump(mode="json", exclude_none=True) for p, d in preset.vary.items()},
        "expect": {s: e.model_dump(mode="json") for s, e in preset.expect.items()},
    }
    return text_of(content, made)

"""Presets: YAML in, a scene for every (seed, index) out."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from itertools import islice, product
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from simcell.cells.library import open_library
from simcell.errors import SimcellError
from simcell.measure import STATISTICS
from simcell.paths import Tree, build, find, hint, put, under
from simcell.rng import stream
from simcell.scene import IN_BANDS, Scene, Spec
from simcell.settings import assignment, files_in, locate, override, parse, read, write
from simcell.vary import Distribution, Value

ENVIRONMENT = "SIMCELL_PRESETS"
_MOST_CORNERS = 4096  # combinations of extremes that are tried in one node


class Expectation(Spec):
    """Range in which a statistic of the samples should lie."""

    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.high:
            msg = f"low = {self.low:g} must not be above high = {self.high:g}"
            raise ValueError(msg)
        return self


class _File(Spec):
    """A preset as it is written."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    about: str = Field(min_length=1)
    sources: tuple[str, ...] = ()
    scene: Scene = Scene()
    vary: dict[str, Distribution] = Field(default_factory=dict)
    expect: dict[str, Expectation] = Field(default_factory=dict)


@dataclass(frozen=True)
class Preset:
    """A named scene, what varies between its samples, and what they should measure.

    Attributes
    ----------
    name, about : str
    sources : tuple of str
        Where its numbers come from.
    base : Scene
        The scene before anything varies.
    vary : mapping of str to Distribution
        By dotted path of the scene.
    expect : mapping of str to Expectation
        By name of ``simcell.measure.STATISTICS``.
    """

    name: str
    about: str
    sources: tuple[str, ...]
    base: Scene
    vary: Mapping[str, Distribution]
    expect: Mapping[str, Expectation]

    @classmethod
    def from_text(cls, text: str, where: str = "preset") -> Preset:
        """Read a preset from YAML text; ``where`` names it in errors."""
        file = build(_File, parse(text, where, "name, about and scene"), f"{where}: ")
        preset = cls(file.name, file.about, file.sources, file.scene, file.vary, file.expect)
        preset._check(where)
        return preset

    @cached_property
    def _tree(self) -> Tree:
        return self.base.model_dump(mode="json")

    @property
    def text(self) -> str:
        """The preset as YAML with every default written out; ``from_text`` reads it back."""
        content = {
            "name": self.name,
            "about": self.about,
            "sources": list(self.sources),
            "scene": self._tree,
            "vary": {p: d.model_dump(mode="json") for p, d in self.vary.items()},
            "expect": {s: e.model_dump(mode="json") for s, e in self.expect.items()},
        }
        return write(content)

    def draw(self, *, seed: int, index: int) -> dict[str, Value]:
        """Draw the values that vary, by dotted path. Each field has its own stream."""
        return {
            path: law.draw(stream(seed, index, f"vary.{path}")) for path, law in self.vary.items()
        }

    def scene(self, *, seed: int, index: int) -> Scene:
        """Return the scene of one sample.

        Examples
        --------
        >>> preset = load_preset("rcm-sg")
        >>> preset.scene(seed=7, index=0) == preset.scene(seed=7, index=0)
        True
        """
        return self.scene_with(self.draw(seed=seed, index=index))

    def scene_with(self, values: Mapping[str, Value]) -> Scene:
        """Return the scene with these values, by dotted path, in place of the base's."""
        if not values:
            return self.base
        tree = self._tree
        for path, value in values.items():
            tree = put(tree, path, value)
        scene: Scene = build(Scene, tree, "")
        return scene

    def with_set(self, assignments: Sequence[str]) -> Preset:
        """Return the preset with ``path=value`` assignments made, values in YAML.

        A path that varied is fixed to its value, and so is a whole of which a part
        is set. Another ``kind`` starts from its own defaults, and nothing below it
        varies. Expectations stay: ``check`` then tells what moved.

        Examples
        --------
        >>> load_preset("rcm-sg").with_set(["frame.shape=[64, 64]"]).base.frame.shape
        (64, 64)
        """
        if not assignments:
            return self
        tree, vary = self._tree, dict(self.vary)
        for text in assignments:
            path, value = assignment(text)
            try:
                tree, changed = override(Scene, tree, path, value)
            except SimcellError as error:
                msg = f"--set {error}"
                raise SimcellError(msg) from None
            vary = {p: law for p, law in vary.items() if not (under(p, changed) or under(path, p))}
        preset = replace(self, base=build(Scene, tree, "--set "), vary=vary)
        preset._check("--set")
        return preset

    def with_masks(self, folder: str | os.PathLike[str]) -> Preset:
        """Return the preset with objects of a user's label images in place of its cells.

        Their pixels become the field's. Where the preset expects an area of its cells, a
        pixel gets the size that gives the objects that area: points, light and cells
        then go together. Of the new samples nothing is expected.

        Parameters
        ----------
        folder : str or path
            Label images; see the kind ``masks``.
        """
        path = os.fspath(folder)
        if self.base.cells.kind in {*IN_BANDS, "skin_layers"} or self.base.frame.ndim != 2:
            msg = (
                f"--from-masks: preset {self.name!r} has cells of kind {self.base.cells.kind!r} "
                "with a prior and an image of their own; use a preset of flat cells, as colony, "
                "dense or rcm-sg"
            )
            raise SimcellError(msg)
        library = open_library(path)
        changes = ["cells.kind=masks", f"cells.path={json.dumps(path)}"]
        area = self.expect.get("area_um2")
        if area is not None:
            spacing = (0.5 * (area.low + area.high) / float(library.area.mean())) ** 0.5
            changes.append(f"frame.spacing_um={min(max(spacing, 1e-3), 1e3):.4g}")
        return replace(self.with_set(changes), expect={})

    def pinned(self) -> Preset:
        """Return the preset with the fingerprint of the masks that it names, if it names any."""
        cells = self.base.cells
        varied = any(under(path, "cells.path") or under("cells.path", path) for path in self.vary)
        if cells.kind != "masks" or cells.fingerprint is not None or varied:
            return self
        return self.with_set([f"cells.fingerprint='{open_library(cells.path).fingerprint}'"])

    def _check(self, where: str) -> None:
        """Refuse paths and ranges that could fail later, in the middle of a run."""
        for name in self.expect:
            if name not in STATISTICS:
                msg = f"{where}: expect.{name}: no such statistic{hint(name, STATISTICS)}"
                raise SimcellError(msg)
        self._check_paths(where)
        for values in self._extremes():
            try:
                drawn = self.scene_with(values)
            except SimcellError as error:
                msg = f"{where}: vary can draw {error}"
                raise SimcellError(msg) from None
            if _layout(drawn) != _layout(self.base):
                msg = (
                    f"{where}: vary.{next(iter(values))}: samples of one dataset have the same "
                    "shape and the same arrays; make a preset for each"
                )
                raise SimcellError(msg)

    def _check_paths(self, where: str) -> None:
        for path in self.vary:
            above = [p for p in self.vary if p != path and under(path, p)]
            if above:
                msg = f"{where}: vary.{path}: {above[0]} varies as a whole; drop one of the two"
                raise SimcellError(msg)
            try:
                find(self._tree, path)
            except SimcellError as error:
                msg = f"{where}: vary.{error}"
                raise SimcellError(msg) from None

    def _extremes(self) -> Iterator[dict[str, Value]]:
        """Yield draws at the ends of all ranges, and one between.

        Fields of one node are combined, as nodes check theirs together.
        """
        nodes: dict[str, list[str]] = {}
        for path in self.vary:
            nodes.setdefault(path.rpartition(".")[0], []).append(path)
        for paths in nodes.values():
            # Between its ends, a range may hold what a field of whole numbers refuses.
            trials = [
                [*self.vary[path].ends(), self.vary[path].draw(stream(0, 0, "vary"))]
                for path in paths
            ]
            for values in islice(product(*trials), _MOST_CORNERS):
                yield dict(zip(paths, values, strict=True))


def _layout(scene: Scene) -> tuple[object, ...]:
    """List what all samples of a dataset must share: their shape, and which arrays there are."""
    parts = {"simcep", "skin_layers", *IN_BANDS}  # cells that come with classes of their own
    classes = scene.prior.kind == "boundary_interior" or scene.cells.kind in parts
    channels = scene.prior.classes if scene.prior.kind == "channels" else 0
    camera = getattr(scene.imaging, "camera", None)
    bits = 8 if camera is None else camera.bits
    stains = getattr(scene.imaging, "channels", 1)
    return scene.frame.shape, classes, channels, scene.imaging.kind == "none", stains, bits


def load_preset(name: str | os.PathLike[str]) -> Preset:
    """Load a preset by name or by path.

    Parameters
    ----------
    name : str or path
        A YAML file (with a slash, or ending in ``.yaml`` or ``.yml``), or the name of a preset
        in a folder of ``$SIMCELL_PRESETS`` or shipped with simcell.

    Returns
    -------
    Preset

    Examples
    --------
    >>> load_preset("rcm-sg").name
    'rcm-sg'
    """
    path = locate("preset", name, preset_files)
    return Preset.from_text(read("preset", path), str(path))


def preset_files() -> list[Path]:
    """List preset files, a user's own (``$SIMCELL_PRESETS``) before the shipped ones."""
    return files_in(ENVIRONMENT, shipped_folder())


def shipped_folder() -> Path:
    """Return the folder of shipped presets: in the wheel, or beside a checkout."""
    packaged = Path(str(files("simcell"))) / "presets"
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "presets"

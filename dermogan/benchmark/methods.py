"""What is compared: thresholds, filters and trained models, with and without StarDist."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from dermogan.benchmark.flowing import OnMaps, lacking
from dermogan.benchmark.sets import Told
from dermogan.cards import find_model, model_files, read_header, trained_s
from dermogan.classical import FIAP, NAMES, load_classical, load_fiap
from dermogan.classical.thresholds import METHODS as THRESHOLDS
from dermogan.errors import DermoganError
from dermogan.expects import Fit, fit
from dermogan.flows import Cellpose, load_cellpose
from dermogan.model import Model, load_model
from dermogan.tiles import Predictor, Whole
from simcell.settings import hint

GABOR, GABOR_STAR = "gabor-watershed", "stardist-gabor"
CELLPOSE, MAPS_CELLPOSE = "cellpose", "dermogan-cellpose"
GROUPS = {
    "thresholds": THRESHOLDS,
    "gabor": (GABOR, GABOR_STAR, FIAP),
    "gabor-stardist": (GABOR_STAR,),
    "models": (),
}
"""Names for several methods."""
_LATER = (FIAP, GABOR_STAR, CELLPOSE, MAPS_CELLPOSE)
UNTRAINED = (*NAMES, *_LATER)
"""Methods that are no models of ours."""
CHOICES = (*GROUPS, *UNTRAINED)
_PREFERRED = ("dermogan", "rcm")

Kind = Literal["threshold", "filter", "model"]
STAR = " + StarDist"
"""Ends the names of rows of models whose cells StarDist splits."""


@dataclass(frozen=True)
class Member:
    """One way to segment, ready for the images of a set.

    Attributes
    ----------
    predictor : Predictor or Whole
    fit : Fit
        What is done to images before; its diameter is taken where none is told.
    """

    predictor: Predictor | Whole
    fit: Fit


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes
    ----------
    name : str
    kind : {"threshold", "filter", "model"}
    members : list of callable
        One that makes the `Member` for a set; several of one method trained with several seeds.
    stardist : bool
        Whether StarDist splits cells.
    lacks : str
        Why it cannot run; empty if it can.
    recipe : str
        Of its models; empty for other methods.
    trained_s : float or None
        CPU seconds that training took, the mean over models.
    """

    name: str
    kind: Kind
    members: Sequence[Callable[[Told], Member]] = ()
    stardist: bool = False
    lacks: str = ""
    recipe: str = ""
    trained_s: float | None = None


def methods(
    names: Sequence[str] = (),
    models: Sequence[str] = (),
    *,
    lacks: str = "",
    cellpose: str | None = None,
) -> list[Method]:
    """Return the methods that are asked for.

    Parameters
    ----------
    names : sequence of str
        Of `CHOICES`; empty means all.
    models : sequence of str
        Trained models: ``NAME=PATH``, a path, or a name. Those of one name are one row.
        Without any, and unless other methods are named, all models that have names.
    lacks : str
        Why StarDist cannot be used; empty if it can.
    cellpose : str, optional
        Weights of Cellpose.
    """
    chosen = _chosen(names)
    if not models and (not names or "models" in names):
        models = [name for name, file in model_files().items() if _shows_cells(file)]
    found = [
        Method(name, "filter" if name == GABOR else "threshold", (_classical(name),))
        for name in NAMES
        if name in chosen
    ]
    if FIAP in chosen:
        found.append(Method(FIAP, "filter", (_fiap,)))
    if GABOR_STAR in chosen:
        found.append(Method(GABOR_STAR, "filter", (_classical(GABOR),), True, lacks))
    trained = _trained(models)
    found += _flowing(chosen, trained, cellpose)
    for name, several in trained.items():
        own = _of_models(name, several)
        found.append(own)
        if not lacks:
            found.append(replace(own, name=name + STAR, stardist=True))
    if not found:
        msg = "--method models: there is none; name some with --model"
        raise DermoganError(msg)
    return found


def _chosen(names: Sequence[str]) -> set[str]:
    if not names:
        return set(UNTRAINED)
    chosen: set[str] = set()
    for name in names:
        if name not in CHOICES:
            msg = f"--method {name}: no such method{hint(name, CHOICES)}"
            raise DermoganError(msg)
        chosen |= set(GROUPS.get(name, (name,)))
    return chosen


def _classical(name: str) -> Callable[[Told], Member]:
    def made(told: Told) -> Member:
        polarity: str = told.polarity
        settings = []
        if name != GABOR:
            settings = [f"output={'membrane' if told.shows == 'membranes' else 'filled'}"]
        elif told.shows == "cells":  # what lies between bright cells is dark
            polarity = "dark" if polarity == "bright" else "bright"
        return Member(load_classical(name, [*settings, f"polarity={polarity}"]), fit(None))

    return made


def _fiap(told: Told) -> Member:
    bright = (told.polarity == "bright") == (told.shows == "membranes")
    return Member(load_fiap([f"polarity={'bright' if bright else 'dark'}"]), fit(None))


def _of_models(name: str, models: Sequence[Model]) -> Method:
    """Return the row of models of one name."""
    recipes = {model.recipe.name for model in models}
    costs = [cost for model in models if (cost := trained_s(model.card)) is not None]
    return Method(
        name,
        "model",
        [_fitting(model) for model in models],
        recipe=recipes.pop() if len(recipes) == 1 else "",
        trained_s=sum(costs) / len(costs) if costs else None,
    )


def _flowing(
    chosen: set[str], trained: dict[str, list[Model]], weights: str | None
) -> list[Method]:
    """Return the rows of Cellpose; those that lack something say what."""
    lacks, found = lacking(weights), []
    flows = None
    if not lacks and chosen & {CELLPOSE, MAPS_CELLPOSE}:
        flows = load_cellpose(weights)
    if CELLPOSE in chosen:
        alone = () if flows is None else (lambda _: Member(flows, fit(None)),)
        found.append(Method(CELLPOSE, "model", alone, lacks=lacks))
    if MAPS_CELLPOSE in chosen:
        name = next((name for name in _PREFERRED if name in trained), next(iter(trained), ""))
        lacks = lacks or ("" if name else "no model of ours, give --model")
        members = (
            []
            if flows is None
            else [_mapped(_fitting(one), flows) for one in trained.get(name, [])]
        )
        found.append(Method(MAPS_CELLPOSE, "model", members, lacks=lacks))
    return found


def _mapped(make: Callable[[Told], Member], flows: Cellpose) -> Callable[[Told], Member]:
    def made(told: Told) -> Member:
        member = make(told)
        assert isinstance(member.predictor, Model)
        return Member(OnMaps(member.predictor, flows), member.fit)

    return made


def _shows_cells(file: Path) -> bool:
    """Return whether a model is of cells in flat images; others have benchmarks of their own."""
    return read_header(file).card.get("output") not in ("classes", "volume")


def _trained(models: Sequence[str]) -> dict[str, list[Model]]:
    found: dict[str, list[Model]] = {}
    for text in models:
        name, equals, place = text.partition("=")
        if equals and not (name and place):
            msg = f"--model {text}: give NAME=PATH, a path, or the name of a model"
            raise DermoganError(msg)
        path = find_model(place if equals else name)
        if not equals:  # what a run, or a file, is called by itself
            name = path.stem if path.stem != "model" else path.resolve().parent.name
        found.setdefault(name, []).append(load_model(path))
    clash = next((name for name in found if name in CHOICES), None)
    if clash:
        msg = f"--model {clash}: is the name of a method; give it another, as in NAME=PATH"
        raise DermoganError(msg)
    return found


def _fitting(model: Model) -> Callable[[Told], Member]:
    def made(told: Told) -> Member:
        if model.expects is None:
            return Member(model, fit(None))
        bright = told.polarity == "bright"
        if (model.output == "membrane") != (told.shows == "membranes"):
            bright = not bright  # it was taught the other part
        return Member(model, fit(model.expects, polarity="bright" if bright else "dark"))

    return made

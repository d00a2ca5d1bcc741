"""What a package of a model says in words: its documentation, and the papers to cite."""

from __future__ import annotations

from dermogan.cards import Expects
from dermogan.filters import Normaliser
from dermogan.model import Model
from dermogan.recipe import DermoGan, UNet

_UNET = {
    "text": "Ronneberger, Fischer & Brox: U-Net, MICCAI 2015",
    "doi": "10.1007/978-3-319-24574-4_28",
}
_CYCLE = {
    "text": "Zhu, Park, Isola & Efros: Unpaired image-to-image translation, ICCV 2017",
    "doi": "10.1109/ICCV.2017.244",
}
_DERMOGAN = {
    "text": "Lboukili, Stamatas & Descombes, J. Biomed. Opt. 29, 086003 (2024)",
    "doi": "10.1117/1.JBO.29.8.086003",
}


def papers(model: Model) -> list[dict[str, str]]:
    """Return the papers that a model's network and training are from."""
    found = [_UNET if isinstance(model.recipe.system.network, UNet) else _CYCLE]
    if isinstance(model.recipe.system, DermoGan):
        found.append(_DERMOGAN)
    return [dict(each) for each in found]


def documentation(model: Model, name: str, halo: int, opset: int) -> str:
    """Return the documentation of a package in Markdown."""
    recipe = model.recipe
    about = model.card.get("about") or recipe.about
    shown = "membranes are bright, cells dark" if model.output == "membrane" else "cells are bright"
    normaliser = Normaliser.of(recipe.data)
    sources = "\n".join(f"- {source}" for source in recipe.sources) or "- none"
    return f"""# {name}

{about}.

One grey channel in, one probability out: {shown}. Made by dermogan; its own file is in the
package (`dermogan segment IMAGES -m {name}.safetensors -o OUT`).

## Input

- Grey levels as they are in the image, float32, of any range: do not normalise them before.
- {_size(model)}
- The graph itself takes any height and width, and mirrors the image at its borders. In tiles,
  their sides and starts should be multiples of {model.multiple}, and {halo} pixels at each side
  of a tile should be thrown away.

## What is in the graph

1. Local normalisation: minus the local mean, divided by three local standard deviations (Gaussian
   window of {normaliser.sigma_px:g} pixels; {normaliser.floor:g} of the spread of the whole input
   is mixed in), cut at -1 and 1.
2. {_filter(model)}
3. Mirrored borders, the network, a sigmoid. ONNX, opset {opset}.

The spread of the whole input is that of a tile where software cuts images into tiles; results
differ a little from those of the whole image then.

## Output

Probability, 0 to 1, at the size of the input. It is no segmentation yet: dermogan makes cells of it
by a watershed, and joins and drops pieces by size; other software may do the same with a threshold
and connected components{" of what is dark" if model.output == "membrane" else ""}.

## Training

Recipe `{recipe.name}`: {recipe.about}

Sources:

{sources}

## Validation

{_scores(model)}

Compare labels made of the probability with annotated cells of your own images: F1 at an
intersection over union of 0.5 (`dermogan evaluate LABELS TRUTH`). Cells of other sizes
than stated, and other looks than those of training, are beyond what is known.
"""


def _size(model: Model) -> str:
    expects = model.expects or Expects()
    diameter = expects.diameter_px or model.diameter_px
    told = "Cells of any size."
    if diameter:
        told = f"Cells about {diameter:.0f} pixels across; rescale images of others before."
    if expects.spacing_um:
        told += f" It was taught at {expects.spacing_um:g} µm a pixel."
    if expects.polarity != "either":
        what = "Membranes" if model.output == "membrane" else "Cells"
        told += f" {what} {expects.polarity}."
    return told


def _filter(model: Model) -> str:
    spec = model.recipe.data.filter
    if getattr(model.recipe.system, "task", "image") != "filter" or spec is None:
        return "No filter."
    return f"A filter: {spec.kind}, the strongest of its directions, brought to -1..1."


def _scores(model: Model) -> str:
    card = model.card
    lines = []
    if "score" in card:
        name = str(card.get("score_name", "score")).replace("_", " ")
        lines.append(f"- while training, on simulated images: {name} {card['score']:.3f}")
    for benchmark, numbers in card.get("scores", {}).items():
        told = ", ".join(f"{key.replace('_', ' ')} {value:g}" for key, value in numbers.items())
        lines.append(f"- {benchmark}: {told}")
    return "\n".join(lines) or "No scores are known."

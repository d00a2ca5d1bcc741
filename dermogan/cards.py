"""Model files by name, and what stands in their headers: no weights are read here, and no torch.

A model file is a safetensors file: the length of a header, the header in JSON, the weights. The
header holds the format, the recipe and the card, a table of facts. Models are found by the names
of their files, in the folders of ``$DERMOGAN_MODELS`` before the shipped ones.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from dermogan.errors import DermoganError
from simcell.settings import Spec, hint

ENVIRONMENT = "DERMOGAN_MODELS"
SUFFIX = ".safetensors"
FORMAT = "dermogan 1"
SHIPPED = Path(__file__).parent / "models"
_LONGEST_HEADER = 2**24

Polarity = Literal["bright", "dark", "either"]


class Expects(Spec):
    """What a model expects of images."""

    polarity: Polarity = Field("either", description="membranes, or cells, that it was taught")
    diameter_px: float | None = Field(None, gt=0, description="diameter of a typical cell")
    spacing_um: float | None = Field(None, gt=0, description="size of a pixel; None = any")
    normalise_px: float = Field(20.0, ge=1, description="sd of the local normalisation")
    size: Literal["given", "estimated"] = Field(
        "given", description="of cells in an image, unless its user says otherwise"
    )


@dataclass(frozen=True)
class Header:
    """What a model file says of itself.

    Attributes
    ----------
    path : Path
    recipe : str
        In YAML.
    card : dict
        Of a run: ``recipe, seed, step, score, score_name, output, diameter_px, trainer_cpu_s,
        versions``. Packed models have ``name, about, presets, steps, cpu_hours, expects, scores``
        too.
    """

    path: Path
    recipe: str
    card: dict[str, Any]

    @property
    def expects(self) -> Expects | None:
        """What is expected of images; None where nobody said."""
        return expects_of(self.card, self.path)

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """Scores by the name of the benchmark."""
        found: dict[str, dict[str, float]] = self.card.get("scores", {})
        return found


def expects_of(card: dict[str, Any], path: Path | str) -> Expects | None:
    """Return what a card expects of images; None where it does not say."""
    if "expects" not in card:
        return None
    try:
        return Expects.model_validate(card["expects"])
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        msg = f"{path}: expects.{field}: {first['msg']}; pack the model again"
        raise DermoganError(msg) from None


def trained_s(card: dict[str, Any]) -> float | None:
    """Return CPU seconds of a training; that of a run's model, up to the step that was kept."""
    whole = 3600 * float(card.get("cpu_hours", 0.0))
    found = whole or float(card.get("trainer_cpu_s", 0.0))
    return found or None


def checked(metadata: dict[str, str], path: Path, wanted: str = FORMAT) -> Header:
    """Return what the texts in a file's header say, if it is a model of this format."""
    if metadata.get("format") != wanted:
        msg = f"{path}: format {metadata.get('format')!r}, {wanted!r} expected; train it again"
        raise DermoganError(msg)
    try:
        return Header(path, metadata["recipe"], json.loads(metadata["card"]))
    except (KeyError, ValueError) as error:
        msg = f"{path}: no recipe or card in it ({error}); train it again"
        raise DermoganError(msg) from None


def read_header(path: Path, wanted: str = FORMAT) -> Header:
    """Read the header of a model file, and nothing else of it."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length < _LONGEST_HEADER:
                msg = "its header has no sensible length"
                raise ValueError(msg)
            metadata = json.loads(file.read(length))["__metadata__"]
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror}); give a model{SUFFIX}"
        raise DermoganError(msg) from None
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{path}: not a model ({' '.join(str(error).split())[:80]}); train it again"
        raise DermoganError(msg) from None
    return checked(metadata, path, wanted)


def model_files() -> dict[str, Path]:
    """Return model files by name; of several of one name, the first counts.

    A folder of the variable that does not exist holds none.
    """
    folders = [Path(f) for f in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if f]
    found: dict[str, Path] = {}
    for folder in [*folders, SHIPPED]:
        for file in sorted(folder.glob(f"*{SUFFIX}")):
            found.setdefault(file.stem, file)
    return found


def find_model(name: str | os.PathLike[str]) -> Path:
    """Return the file of a model.

    Parameters
    ----------
    name : str or path
        A model file, the folder of a training run, or the name of a model in a folder of
        ``$DERMOGAN_MODELS`` or shipped with dermogan.
    """
    text = os.fspath(name)
    path = Path(text)
    plain = not (path.suffix == SUFFIX or os.sep in text or "/" in text)
    if (run := path / f"model{SUFFIX}").is_file():
        return run
    known = model_files()
    if plain and text in known:
        return known[text]
    if path.is_dir():
        msg = f"{text}: no model in it yet; let it train up to the first validation"
        raise DermoganError(msg)
    if not plain:
        if path.exists():
            return path
        msg = f"{text}: no such file; give a model{SUFFIX} or the folder of a training run"
        raise DermoganError(msg)
    more = hint(text, sorted(known)) if known else f"; give a path, or set ${ENVIRONMENT}"
    msg = f"model {text!r}: no such model{more} (`dermogan models` lists them)"
    raise DermoganError(msg)


def table(headers: Sequence[tuple[str, Header | DermoganError]]) -> list[tuple[str, ...]]:
    """Return the rows of the list of models: a heading, and a line for each."""
    rows: list[tuple[str, ...]] = [("name", "shows", "cell", "pixel", "size", "scores", "for")]
    for name, header in headers:
        if isinstance(header, DermoganError):
            rows.append((name, "", "", "", "", "", str(header)))
            continue
        card, expects = header.card, header.expects or Expects()
        diameter = expects.diameter_px or card.get("diameter_px")
        spacing = expects.spacing_um
        rows.append(
            (
                name,
                str(card.get("output", "?")),
                f"{diameter:.0f} px" if diameter else "any",
                f"{spacing:g} µm" if spacing else "any",
                f"{header.path.stat().st_size / 1e6:.1f} MB",
                _scores(header) or "–",
                str(card.get("about", "")),
            )
        )
    return rows


def _scores(header: Header) -> str:
    """Return the first score of every benchmark."""
    firsts = [
        (name, *next(iter(numbers.items()))) for name, numbers in header.scores.items() if numbers
    ]
    return ", ".join(f"{name} {key} {value:.2f}" for name, key, value in firsts)

"""Presets and kinds in words, for the terminal."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from typing import Any, get_args

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from simcell.errors import SimcellError
from simcell.measure import STATISTICS
from simcell.preset import Preset, load_preset, preset_files
from simcell.scene import Frame, Scene
from simcell.vary import Choice, Distribution, Normal


def all_presets() -> str:
    """List every preset with the first sentence about it."""
    lines = []
    for file in preset_files():
        try:
            found = load_preset(file)
        except SimcellError as error:
            lines += _paragraph(f"cannot be used: {error}", f"{file.stem:<13} ", 14)
        else:
            # Its file's name is what it is asked for by.
            lines += _paragraph(found.about, f"{file.stem:<13} ", 14)
    lines.append("\n`simcell presets NAME` explains one with its parameters and ranges.")
    return "\n".join(lines)


def preset(preset: Preset) -> str:
    """Explain one preset: what it is, its sources, its parameters, what it expects."""
    lines = [preset.name, *_paragraph(preset.about, "  ", 2), ""]
    if preset.sources:
        bullets = [line for s in preset.sources for line in _paragraph(s, "  - ", 4)]
        lines += ["sources", *bullets, ""]
    lines.append("parameters (* varies from sample to sample)")
    rows = list(_rows(preset.base, "", preset))
    width = max(len(path) for path, _, _ in rows) + 3
    for path, value, about in rows:
        mark = "*" if path in preset.vary else " "
        lines += _paragraph(f"{value}  {about}", f"{mark} {path:<{width}}", width + 4)
    if preset.expect:
        lines += ["", "expected of samples (`simcell check`)"]
        for name, wanted in preset.expect.items():
            ends = f"{wanted.low:g} to {wanted.high:g}"
            lines.append(f"  {name:<16}{ends:<18}{STATISTICS[name].about}")
    lines += ["", f"simcell generate --preset {preset.name} --set {_example(preset)}"]
    return "\n".join(line.rstrip() for line in lines)


def _example(preset: Preset) -> str:
    """Return an assignment that changes something: a range fixed at its lower end."""
    for path, law in preset.vary.items():
        if not isinstance(law, Choice):
            return f"{path}={law.low:g}"
    return "frame.shape=[512,512]"


def kinds() -> str:
    """List the kinds of every part of a scene with their fields, defaults and ranges."""
    lines: list[str] = []
    for part, field in Scene.model_fields.items():
        members = [m for m in _models(field.annotation) if "kind" in m.model_fields]
        for model in members:
            about = (model.__doc__ or "").strip().splitlines()[0]
            lines += [f"{part}.kind={model.model_fields['kind'].default}", f"    {about}"]
            for path, value, text in _rows(model(), "", None):
                if path != "kind":
                    lines += _paragraph(f"{value}  {text}", f"      {path:<23} ", 32)
            lines.append("")
    lines += ["frame", "    The field of view."]
    for path, value, text in _rows(Frame(), "", None):
        lines += _paragraph(f"{value}  {text}", f"      {path:<23} ", 32)
    lines += ["", "vary: PATH: {kind: ...}", "    What a number of the scene is drawn from."]
    for law in _models(Distribution):
        names = [name for name in law.model_fields if name != "kind"]
        about = (law.__doc__ or "").strip().splitlines()[0]
        words = f"{{{', '.join(names)}}}  {about}"
        lines += _paragraph(words, f"      {law.model_fields['kind'].default:<23} ", 32)
    lines += ["", "expect: STATISTIC: {low, high}", "    What samples should measure."]
    for name, statistic in STATISTICS.items():
        lines += _paragraph(statistic.about, f"      {name:<23} ", 32)
    return "\n".join(line.rstrip() for line in lines)


def starter(preset: Preset, name: str) -> str:
    """Return a preset as the YAML of one to edit: every number with what it means beside it.

    Parameters
    ----------
    preset : Preset
        Whose scene and ranges it starts with.
    name : str
        Of the new preset.

    Examples
    --------
    >>> text = starter(load_preset("rcm-sg"), "my-tissue")
    >>> Preset.from_text(text).base == load_preset("rcm-sg").base
    True
    """
    lines = [
        f"name: {name}",
        "about: >-",
        f"  Say in a sentence what this tissue is. Started from the preset {preset.name}.",
        "sources:  # where each number comes from: a paper, a measurement, or chosen by eye",
        f'  - "Every number not named here: as in the preset {preset.name}"',
        "",
        "# One sample. Every field, its unit, what is allowed; lines may be left out, which",
        "# gives them the default of their kind. `simcell presets --kinds` lists all kinds.",
        "scene:",
        *_nested(preset.base, 1, "", preset),
        "",
        "# What is drawn anew for each sample, and between which ends. For training, ranges wider",
        "# than any one image of yours; a line that is deleted fixes the number to the one above.",
        "vary:" if preset.vary else "vary: {}",
        *(f"  {path}: {_yaml(law.model_dump(mode='json'))}" for path, law in preset.vary.items()),
        "",
        "# What samples should measure; `simcell check` tells. Not yet known of this tissue:",
        f"# those of {preset.name}, to be replaced by what your images measure.",
        "# expect:",
        *(f"#   {s}: {{low: {e.low:g}, high: {e.high:g}}}" for s, e in preset.expect.items()),
    ]
    return "\n".join(lines) + "\n"


def _nested(node: BaseModel, depth: int, prefix: str, owner: Preset) -> Iterator[str]:
    """Write a scene as YAML, one field a line with its meaning."""
    indent = "  " * depth
    fields = type(node).model_fields
    for name in sorted(fields, key=lambda name: name != "kind"):
        field, value, path = fields[name], getattr(node, name), f"{prefix}{name}"
        if isinstance(value, BaseModel):
            mark = "  # varies as a whole, see below" if path in owner.vary else ""
            yield f"{indent}{name}:{mark}"
            yield from _nested(value, depth + 1, f"{path}.", owner)
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            dumped = [entry.model_dump(mode="json") for entry in value]
            yield f"{indent}{name}: {_yaml(dumped)}"
        else:
            mark = "varies below; " if path in owner.vary else ""
            plain = list(value) if isinstance(value, tuple) else value
            text = f"{indent}{name}: {_yaml(plain)}"
            meaning = _meaning(field).replace("\u00a0", " ")
            yield f"{text:<34}  # {mark}{meaning}" if mark or meaning else text


def _yaml(value: Any) -> str:  # noqa: ANN401 - any leaf of a scene
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6)
    return text.removesuffix("...\n").strip()


def _rows(node: BaseModel, prefix: str, owner: Preset | None) -> Iterator[tuple[str, str, str]]:
    """Walk a scene: dotted path, value or range, meaning with allowed values."""
    for name, field in type(node).model_fields.items():
        value, path = getattr(node, name), f"{prefix}{name}"
        law = owner.vary.get(path) if owner is not None else None
        if law is not None:
            yield path, _law(law), _meaning(field)
            # What a choice of wholes puts in place of this part is not known here.
            continue
        if isinstance(value, BaseModel):
            yield from _rows(value, f"{path}.", owner)
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            for place, entry in enumerate(value):
                yield from _rows(entry, f"{path}.{place}.", owner)
        else:
            yield path, _plain(value), _meaning(field)


def _law(law: Distribution) -> str:
    if isinstance(law, Choice):
        weights = law.weights or (1.0,) * len(law.values)
        shares = [f" ({w / sum(weights):.0%})" if law.weights else "" for w in weights]
        return " | ".join(f"{_plain(v)}{s}" for v, s in zip(law.values, shares, strict=True))
    middle = f", {law.mean:g} ± {law.sd:g}" if isinstance(law, Normal) else ""
    return f"{law.low:g} to {law.high:g} ({law.kind}{middle})"


def _plain(value: Any) -> str:  # noqa: ANN401 - any leaf of a scene
    """Write a value as --set and a preset take it."""
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_plain(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_plain(v)}" for k, v in value.items()) + "}"
    if value is None:
        return "null"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _meaning(field: FieldInfo) -> str:
    """Return what a field means, with the values that it may take."""
    about = (field.description or "").replace("None", "null")
    names = [str(a) for a in get_args(field.annotation) if isinstance(a, str)]
    allowed = " | ".join(names) if len(names) > 1 else _limits(field)
    return f"{about}{f' ({allowed})' if allowed else ''}"


def _limits(field: FieldInfo) -> str:
    low = high = ""
    for rule in field.metadata:
        for name, word in (("ge", ""), ("gt", "above "), ("le", ""), ("lt", "below ")):
            if getattr(rule, name, None) is not None:
                end = f"{word}{getattr(rule, name):g}"
                low, high = (end, high) if name in {"ge", "gt"} else (low, end)
    if low and high:
        # A non-breaking space keeps the range on one line.
        return f"{low} to {high}".replace(" ", "\u00a0")
    return f"from {low}" if low else f"up to {high}" if high else ""


def _models(annotation: Any) -> list[type[BaseModel]]:  # noqa: ANN401 - a type annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for member in get_args(annotation) for model in _models(member)]


def _paragraph(text: str, first: str, indent: int) -> list[str]:
    width = max(60, min(shutil.get_terminal_size((100, 24)).columns, 110))
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        break_long_words=False,
    )

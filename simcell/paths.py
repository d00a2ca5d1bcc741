"""Dotted paths into a scene: setting values, and telling what went wrong in one line."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from simcell.errors import SimcellError

Tree = dict[str, Any]


def put(tree: Tree, path: str, value: Any) -> Tree:  # noqa: ANN401 - any value of a scene
    """Return ``tree`` with the value at a dotted path replaced.

    Choosing another ``kind`` clears the fields of the old kind, which the new
    one would refuse.

    Examples
    --------
    >>> put({"points": {"kind": "poisson", "density": 9}}, "points.kind", "thomas")
    {'points': {'kind': 'thomas'}}
    """
    keys = path.split(".")
    if not all(keys):
        msg = f"{path!r}: not a path; write names joined by dots, such as imaging.gain"
        raise SimcellError(msg)
    top = copy.deepcopy(tree)
    node = top
    for depth, key in enumerate(keys[:-1]):
        child = node.setdefault(key, {})
        if isinstance(child, str):
            # A named level (`noise: high`) is replaced by a mapping of its fields.
            msg = (
                f"{path}: {'.'.join(keys[: depth + 1])} is the named level {child!r}; "
                "set it whole, or write its fields out in the preset"
            )
            raise SimcellError(msg)
        if not isinstance(child, dict):
            msg = f"{path}: {'.'.join(keys[: depth + 1])} is a value and has no fields"
            raise SimcellError(msg)
        node = child
    if keys[-1] == "kind" and node.get("kind") != value:
        node.clear()
    node[keys[-1]] = copy.deepcopy(value)
    return top


def under(path: str, parent: str) -> bool:
    """Tell whether ``path`` is ``parent`` or lies below it."""
    return path == parent or path.startswith(parent + ".")


def build(model: type[BaseModel], tree: Any, where: str) -> Any:  # noqa: ANN401 - raw input
    """Validate raw input into ``model``; the first error becomes one clear line."""
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise SimcellError(explain(error, model, where)) from None


def explain(error: ValidationError, model: type[BaseModel], where: str) -> str:
    """Say in one line which field is wrong, what it was, and what is allowed."""
    details = error.errors(include_url=False)
    first = details[0]
    path = _public_path(first["loc"])
    name = f"{where}{path}" if path else where.rstrip(".")
    allowed = _sentence(first, error)
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"{name}: unknown name{_hint(str(first['loc'][-1]), model, first['loc'])}{more}"
    if first["type"] == "missing":
        return f"{name}: missing; add it{more}"
    if isinstance(first["input"], BaseModel | Mapping):
        return f"{name}: {allowed}{more}" if name else f"{allowed}{more}"
    return f"{name} = {_short(first['input'])}: {allowed}{more}"


def _sentence(detail: Any, error: ValidationError) -> str:  # noqa: ANN401 - pydantic's record
    del error
    text = str(detail["msg"])
    for prefix in ("Value error, ", "Input "):
        text = text.removeprefix(prefix)
    return " ".join(text.split())


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _public_path(loc: tuple[int | str, ...]) -> str:
    """Join a pydantic location, leaving out the tags of discriminated unions."""
    return ".".join(str(part) for part in _without_tags(loc))


def _without_tags(loc: tuple[int | str, ...]) -> list[int | str]:
    unions = {"region", "points", "cells", "prior", "imaging", "marks"}
    parts: list[int | str] = []
    skip = False
    for part in loc:
        if skip:
            skip = False
            continue
        parts.append(part)
        skip = part in unions or (len(parts) == 2 and parts[0] in {"vary"})
    return parts


def _hint(name: str, model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    known = _fields_at(model, loc[:-1])
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known here: {', '.join(sorted(known))}" if known else "; remove it"


def _fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Names of the fields of the model that a location points into."""
    here: Any = model
    for part in loc:
        here = _step(here, part)
        if here is None:
            return []
    return list(here.model_fields) if _is_model(here) else []


def _is_model(thing: Any) -> bool:  # noqa: ANN401 - a type or an annotation
    return isinstance(thing, type) and issubclass(thing, BaseModel)


def _step(here: Any, part: int | str) -> Any:  # noqa: ANN401 - walks annotations
    """Go from a model to a field's model, or from a union to the member with this tag."""
    if _is_model(here):
        field = here.model_fields.get(str(part))
        return None if field is None else field.annotation
    for member in _members(here):
        if _is_model(member) and member.model_fields["kind"].default == part:
            return member
    return None


def _members(union: Any) -> tuple[Any, ...]:  # noqa: ANN401 - an annotation
    inner = getattr(union, "__args__", ())
    flat: list[Any] = []
    for member in inner:
        flat += [member] if _is_model(member) else list(_members(member))
    return tuple(flat)

"""Dotted paths into a scene: setting values, and telling what went wrong in one line.

A path joins names of fields, and numbers of a list's entries, by dots:
``imaging.noise.looks``, ``points.types.0.radius_um``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from simcell.errors import SimcellError

Tree = dict[str, Any]

_WORDS = {
    "model_type": "needs a mapping of its fields",
    "dict_type": "needs a mapping",
    "tuple_type": "needs a list",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "float_parsing": "should be a number",
    "string_type": "should be text",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "use letters, digits, '.', '_' and '-', no sign first",
    "too_short": "needs at least {min_length} entries",
    "too_long": "may have at most {max_length} entries",
}
"""pydantic's errors in the words of a preset; others keep pydantic's."""


def put(tree: Tree, path: str, value: Any) -> Tree:  # noqa: ANN401 - any value of a scene
    """Return ``tree`` with the value at a dotted path replaced; ``tree`` stays as it is.

    Examples
    --------
    >>> put({"points": {"kind": "poisson", "density": 9}}, "points.density", 8)
    {'points': {'kind': 'poisson', 'density': 8}}
    """
    keys = path.split(".")
    if not all(keys):
        msg = f"{path!r}: not a path; write names joined by dots, such as imaging.gain"
        raise SimcellError(msg)
    changed: Tree = _put(tree, keys, 0, value)
    return changed


def _put(node: Any, keys: list[str], depth: int, value: Any) -> Any:  # noqa: ANN401 - any node
    if depth == len(keys):
        return value
    key = _key(node, keys, depth)
    below = node[key] if isinstance(node, list) else node.get(key, {})
    copy: Any = list(node) if isinstance(node, list) else dict(node)
    copy[key] = _put(below, keys, depth + 1, value)
    return copy


def find(tree: Tree, path: str, root: str = "scene") -> Any:  # noqa: ANN401 - any value
    """Return the value at a dotted path; an unknown path becomes one clear line.

    ``root`` is what the tree is called there.

    Examples
    --------
    >>> find({"points": {"types": [{"radius_um": 6.0}]}}, "points.types.0.radius_um")
    6.0
    """
    keys, node = path.split("."), tree
    for depth, name in enumerate(keys):
        key = _key(node, keys, depth)
        if isinstance(node, dict) and key not in node:
            at = ".".join(keys[:depth]) or root
            msg = f"{path}: {at} has no {name!r}{hint(name, node)}"
            raise SimcellError(msg)
        node = node[key]
    return node


def _key(node: Any, keys: list[str], depth: int) -> Any:  # noqa: ANN401 - any node
    """Return the key of a mapping, or the number of a list's entry."""
    name = keys[depth]
    path, at = ".".join(keys), ".".join(keys[:depth])
    if isinstance(node, dict):
        return name
    if isinstance(node, str):
        # A named level (`noise: high`) stands for all of its fields at once.
        msg = f"{path}: {at} is set to {node!r} as a whole; write its fields out instead"
    elif not isinstance(node, list):
        msg = f"{path}: {at} is a value and has no fields; set {at} itself"
    elif name.isdecimal() and int(name) < len(node):
        return int(name)
    else:
        msg = f"{path}: {at} has {len(node)} entries, counted from 0, and none is {name!r}"
    raise SimcellError(msg)


def under(path: str, parent: str) -> bool:
    """Tell whether ``path`` is ``parent`` or lies below it."""
    return path == parent or path.startswith(parent + ".")


def of_kind(model: type[BaseModel], path: str, kind: Any) -> Tree:  # noqa: ANN401 - raw input
    """Return the part at ``path`` as another kind, with the defaults of that kind.

    A kind that does not exist comes back alone, for `build` to complain about.
    """
    _, here = _walk(model, path.split("."))
    member = _member(here, kind)
    return {"kind": kind} if member is None else member().model_dump(mode="json")


def build(model: type[BaseModel], tree: Any, where: str) -> Any:  # noqa: ANN401 - raw input
    """Validate raw input into ``model``; the first error becomes one clear line."""
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise SimcellError(explain(error, model, where)) from None


def explain(error: ValidationError, model: type[BaseModel], where: str) -> str:
    """Say in one line which field is wrong, what it was, and what is allowed."""
    details = error.errors(include_url=False)
    first: Any = details[0]
    path, here = _walk(model, first["loc"])
    text = _sentence(first, here, path[-1] if path else "")
    value = first["input"]
    if first["type"].startswith("union_tag"):
        path.append("kind")
        value = value.get("kind")
    name = ".".join(path)
    shown = first["type"] not in {"missing", "extra_forbidden", "union_tag_not_found"}
    if shown and name and not isinstance(value, BaseModel | Mapping):
        name += f" = {_short(value)}"
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return f"{where}{name}{': ' if name else ''}{text}{more}"


def _sentence(detail: Any, here: Any, name: str) -> str:  # noqa: ANN401 - pydantic's record
    """Say what is allowed, and what to do."""
    kinds = [str(kind) for kind in _kinds(here)]
    match detail["type"]:
        case "missing":
            return "missing; add it"
        case "extra_forbidden":
            return f"unknown name{hint(name, here or ())}"
        case "union_tag_not_found":
            return f"missing; use one of {', '.join(kinds)}"
        case "union_tag_invalid":
            return f"no such kind{hint(detail['ctx']['tag'], kinds)}"
        case "model_attributes_type":
            return f"needs a mapping, such as {{kind: {kinds[0]}}}"
    if detail["type"] in _WORDS:
        return _WORDS[detail["type"]].format(**detail.get("ctx", {}))
    text = str(detail["msg"])
    for prefix in ("Value error, ", "Input "):
        text = text.removeprefix(prefix)
    return " ".join(text.split())


def hint(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown name: the nearest, or all that are known.

    Examples
    --------
    >>> hint("densty", ["density", "kind"])
    "; did you mean 'density'?"
    """
    known = list(known)
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; use one of {', '.join(known)}" if known else "; remove it"


def _short(value: object) -> str:
    text = repr(value)
    text = {"None": "null", "True": "true", "False": "false"}.get(text, text)
    return text if len(text) <= 60 else text[:57] + "..."


def _walk(model: type[BaseModel], loc: Iterable[int | str]) -> tuple[list[str], Any]:
    """Follow a location of pydantic's, or the keys of a path.

    Returns
    -------
    path : list of str
        The location without the tags of discriminated unions.
    here : annotation
        What it leads to. For an unknown name, the names that are known there.
    """
    here: Any = model
    path: list[str] = []
    for part in loc:
        if part == "[key]":
            continue
        member = _member(here, part)
        if member is not None:
            here = member
            continue
        path.append(str(part))
        if _is_model(here):
            field = here.model_fields.get(str(part))
            here = list(here.model_fields) if field is None else field.annotation
        else:
            here = next((a for a in reversed(get_args(here)) if a is not Ellipsis), None)
    return path, here


def _is_model(thing: Any) -> bool:  # noqa: ANN401 - a type or an annotation
    return isinstance(thing, type) and issubclass(thing, BaseModel)


def _member(union: Any, kind: Any) -> type[BaseModel] | None:  # noqa: ANN401 - an annotation
    """Return the member of a discriminated union that has this kind."""
    return _kinds(union).get(kind) if isinstance(kind, str) else None


def _kinds(union: Any) -> dict[str, type[BaseModel]]:  # noqa: ANN401 - an annotation
    """List the members of a discriminated union by their kind; empty for anything else."""
    if get_origin(union) not in {Union, UnionType, Annotated}:
        return {}
    found: dict[str, type[BaseModel]] = {}
    for member in get_args(union):
        if _is_model(member) and "kind" in member.model_fields:
            found[member.model_fields["kind"].default] = member
        else:
            found |= _kinds(member)
    return found

"""Settings files: YAML in, overrides from the command line, one clear line for what is wrong.

What presets share with other files of settings, such as the recipes of a trainer: a frozen
tree of plain numbers (`Spec`), read strictly, with ``path=value`` assignments on top; found
by name in a user's folders and among the shipped ones, or by path.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from simcell.errors import SimcellError
from simcell.paths import Tree, build, find, hint, of_kind, put, under
from simcell.scene import Spec

__all__ = [
    "Spec",
    "Tree",
    "assignment",
    "build",
    "files_in",
    "find",
    "hint",
    "locate",
    "of_kind",
    "override",
    "parse",
    "put",
    "read",
    "under",
    "write",
]

_SUFFIXES = {".yaml", ".yml"}
_NOT_YAML = (yaml.YAMLError, ValueError, TypeError, RecursionError)


class _Loader(yaml.SafeLoader):
    """YAML without duplicate keys, of which the first would silently be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = []
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue  # `<<: *anchor`: keys beside it override those of the anchor
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                problem = f"the key {key!r} stands twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            seen.append(key)
        return super().construct_mapping(node, deep=deep)


def _yaml(text: str) -> Any:  # noqa: ANN401 - whatever the text says
    return yaml.load(text, Loader=_Loader)


def files_in(variable: str, shipped: Path) -> list[Path]:
    """List files of settings, those in the folders of an environment variable before the shipped.

    Of several of one name, the first counts.
    """
    folders = [Path(f) for f in os.environ.get(variable, "").split(os.pathsep) if f]
    found: dict[str, Path] = {}
    for folder in [*folders, shipped]:
        if not folder.is_dir():
            msg = f"${variable}: {str(folder)!r} is no folder; correct or unset the variable"
            raise SimcellError(msg)
        for file in sorted(folder.iterdir()):
            if file.suffix in _SUFFIXES:
                found.setdefault(file.stem, file)
    return list(found.values())


def locate(what: str, name: str | os.PathLike[str], files: Callable[[], list[Path]]) -> Path:
    """Return the file that is meant: a path, with a slash or ending in .yaml, or a name.

    Parameters
    ----------
    what : str
        What it is called in errors.
    name : str or path
    files : callable
        Returns the files that have names.
    """
    text = os.fspath(name)
    if Path(text).suffix in _SUFFIXES or "/" in text or os.sep in text:
        return Path(text)
    known = {file.stem: file for file in files()}
    if text not in known:
        msg = f"{what} {text!r}: no such {what}{hint(text, sorted(known))}"
        raise SimcellError(msg)
    return known[text]


def read(what: str, path: Path) -> str:
    """Return the text of a file of settings."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8 text"
        msg = f"{what} {str(path)!r}: cannot be read ({why}); give the path of a YAML file"
        raise SimcellError(msg) from None


def parse(text: str, where: str, needs: str) -> Tree:
    """Read a mapping from YAML text; ``where`` names it in errors, ``needs`` says what it holds."""
    try:
        tree = _yaml(text)
    except _NOT_YAML as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        msg = f"{where}: not valid YAML{line} ({_problem(error)}); correct the file"
        raise SimcellError(msg) from None
    if not isinstance(tree, dict):
        held = "nothing" if tree is None else f"a {type(tree).__name__}"
        msg = f"{where}: holds {held}; needs a mapping with {needs}"
        raise SimcellError(msg)
    return tree


def _problem(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return " ".join(str(getattr(error, "problem", None) or error).split())


def assignment(text: str) -> tuple[str, Any]:
    """Split ``path=value``, the value in YAML.

    Examples
    --------
    >>> assignment("frame.shape=[64, 64]")
    ('frame.shape', [64, 64])
    """
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        msg = f"--set {text!r}: write path=value, such as imaging.noise.looks=6"
        raise SimcellError(msg)
    try:
        return path.strip(), _yaml(value)
    except _NOT_YAML as error:
        msg = f"--set {text!r}: the value is not valid YAML ({_problem(error)}); correct it"
        raise SimcellError(msg) from None


def override(
    model: type[BaseModel],
    tree: Tree,
    path: str,
    value: Any,  # noqa: ANN401 - any value of YAML
) -> tuple[Tree, str]:
    """Make one assignment; return the new tree and the path below which all is new.

    Another ``kind`` starts from its own defaults.
    """
    part, _, last = path.rpartition(".")
    if last != "kind" or not part:
        return put(tree, path, value), path
    if find(tree, path, model.__name__.lower()) == value:
        return tree, path
    return put(tree, part, of_kind(model, part, value)), part


def write(content: Tree) -> str:
    """Return settings as YAML text; `parse` reads it back."""
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)

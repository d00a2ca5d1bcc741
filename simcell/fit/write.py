"""A fitted preset as a YAML file to read and to edit: where each number comes from, beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from simcell.fit.estimate import Estimate

_AT = 44  # column of the comments
_MARKS = {
    "estimated": "",
    "taken": "taken",
    "unidentified": "NOT TOLD BY THE DATA",
}
_HEADS = {
    "scene": "One sample. What has no comment was taken as it is.",
    "vary": "Drawn anew for every sample: wider than the intervals, on purpose. Tune here.",
    "expect": "What samples should measure, from the data: `simcell check --preset FILE`.",
}


def text_of(content: Mapping[str, Any], estimates: Sequence[Estimate]) -> str:
    """Write a preset's content as YAML, with comments beside what was estimated.

    Parameters
    ----------
    content : mapping
        ``name``, ``about``, ``sources``, ``scene``, ``vary`` and ``expect``.
    estimates : sequence of Estimate

    Examples
    --------
    >>> print(text_of({"name": "mine", "scene": {"points": {"density": 9.0}}}, []))
    name: mine
    <BLANKLINE>
    # One sample. What has no comment was taken as it is.
    scene:
      points:
        density: 9.0
    <BLANKLINE>
    """
    notes = {f"scene.{one.path}": _note(one) for one in estimates}
    lines: list[str] = []
    for key, value in content.items():
        if key in _HEADS:
            lines += ["", f"# {_HEADS[key]}"]
        lines += _lines(key, value, key, "", notes)
    return "\n".join(lines) + "\n"


def _note(one: Estimate) -> str:
    interval = f"90 %: {one.interval}" if one.interval and one.status == "estimated" else ""
    parts = [_MARKS[one.status], interval, one.how]
    return "; ".join(part for part in parts if part)


def _lines(
    key: str,
    value: Any,  # noqa: ANN401 - any node
    path: str,
    indent: str,
    notes: Mapping[str, str],
) -> Iterator[str]:
    start = f"{indent}{_scalar(key)}:"
    if isinstance(value, Mapping) and value and not path.startswith(("vary.", "expect.")):
        yield start
        for name, below in value.items():
            yield from _lines(name, below, f"{path}.{name}", f"{indent}  ", notes)
    elif path == "sources" and value:
        yield start
        yield from (f"{indent}  - {_scalar(entry)}" for entry in value)
    else:
        line, note = f"{start} {_scalar(value)}", notes.get(path, "")
        yield f"{line:<{_AT}}  # {note}" if note else line


def _scalar(value: Any) -> str:  # noqa: ANN401 - any value
    """Write a value on one line."""
    text: str = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, width=10**9, sort_keys=False
    )
    return text.removesuffix("\n").removesuffix("\n...").strip()

"""Charts as SVG text: axes, bands, lines and steps, in colours that the page sets.

Shapes carry classes (``real``, ``synthetic``, ``band``, ``axis``), so that one style
serves light, dark and print.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from math import ceil, floor, log10

import numpy as np
from numpy.typing import NDArray

from simcell.arrays import FloatArray
from simcell.compare.classifier import Gap
from simcell.compare.curves import Panel, Side
from simcell.compare.effects import SMALL, Effect

_WIDTH, _HEIGHT = 360, 232
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 10, 40
Scale = Callable[[float], float]


def chart(panel: Panel) -> str:
    """Draw a panel: both curves, their bands, and the reference."""
    x_range, y_range = _ranges(panel)
    across = _scale(x_range, (_LEFT, _WIDTH - _RIGHT), log=panel.log_x)
    up = _scale(y_range, (_HEIGHT - _BOTTOM, _TOP), log=panel.log_y)
    parts = [_axes(panel, x_range, y_range, across, up)]
    if panel.reference is not None:
        line = Side(panel.synthetic.x, panel.reference[1])
        parts.append(_line(line, across, up, "reference"))
    if not panel.steps:  # shares of single bins are restless
        parts.append(_band(panel.synthetic, across, up, "synthetic"))
        parts.append(_band(panel.real, across, up, "real"))
    for kind, side in (("synthetic", panel.synthetic), ("real", panel.real)):
        draw = _steps if panel.steps else _line
        parts.append(draw(side, across, up, kind))
        if len(side.x) <= 8:
            parts.append(_dots(side, across, up, kind))
    title = escape(f"{panel.title}. Real and synthetic images.")
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}">'
        f"{''.join(parts)}</svg>"
    )


def _ranges(panel: Panel) -> tuple[tuple[float, float], tuple[float, float]]:
    sides = (panel.real, panel.synthetic)
    told = [side.x[np.isfinite(side.middle)] for side in sides]
    xs = np.concatenate(told) if any(len(x) for x in told) else np.array([0.0, 1.0])
    bands = [] if panel.steps else [c for s in sides for c in (s.low, s.high) if c is not None]
    curves = [panel.real.middle, panel.synthetic.middle, *bands]
    ys = np.concatenate([c[np.isfinite(c)] for c in curves])
    if panel.reference is not None:
        ys = np.append(ys, panel.reference[1])
    if panel.log_y:
        ys = ys[ys > 0]
    low, high = (float(ys.min()), float(ys.max())) if len(ys) else (0.0, 1.0)
    if not panel.log_y:
        low = 0.0 if 0 <= low < 0.4 * high else low
        high += 0.04 * (high - low) or 1.0
    return (float(xs.min()), float(xs.max())), (low, high)


def _scale(values: tuple[float, float], places: tuple[float, float], *, log: bool) -> Scale:
    low, high = (log10(v) for v in values) if log else values
    factor = (places[1] - places[0]) / ((high - low) or 1.0)

    def at(value: float) -> float:
        return places[0] + ((log10(value) if log else value) - low) * factor

    return at


def _axes(
    panel: Panel,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    across: Scale,
    up: Scale,
) -> str:
    floor_y, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = [f'<path class="axis" d="M{_LEFT} {_TOP}V{floor_y}H{right}"/>']
    for value, text in _ticks(*y_range, log=panel.log_y, most=5):
        y = up(value)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{text}</text>')
    for value, text in _ticks(*x_range, log=panel.log_x, most=7):
        x = across(value)
        parts.append(f'<path class="axis" d="M{x:.1f} {floor_y}v4"/>')
        parts.append(f'<text x="{x:.1f}" y="{floor_y + 16}" text-anchor="middle">{text}</text>')
    middle = (_LEFT + right) / 2
    parts.append(
        f'<text class="label" x="{middle}" y="{_HEIGHT - 6}" text-anchor="middle">'
        f"{escape(panel.x_label)}</text>"
    )
    half = (floor_y + _TOP) / 2
    parts.append(
        f'<text class="label" transform="translate(10 {half}) rotate(-90)" '
        f'text-anchor="middle">{escape(panel.y_label)}</text>'
    )
    return "".join(parts)


def _ticks(low: float, high: float, *, log: bool, most: int) -> list[tuple[float, str]]:
    """Return round values between two ends, and how they are written.

    Examples
    --------
    >>> _ticks(0.0, 1.0, log=False, most=5)
    [(0.0, '0'), (0.2, '0.2'), (0.4, '0.4'), (0.6, '0.6'), (0.8, '0.8'), (1.0, '1')]
    """
    if log:
        powers = range(floor(log10(low)), ceil(log10(high)) + 1)
        skip = max(1, ceil(len(powers) / most))
        values = [10.0**p for p in powers if p % skip == 0]
        if len([v for v in values if low <= v <= high]) < 2:
            values = [10.0**p * k for p in powers for k in (1, 2, 5)]
    else:
        raw = (high - low) / most or 1.0
        power = 10.0 ** floor(log10(raw))
        step = next(k * power for k in (1, 2, 5, 10) if k * power >= raw * 0.999)
        values = [k * step for k in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]
    slack = 1e-9 * max(abs(low), abs(high))
    return [(float(f"{v:.6g}"), _short(v)) for v in values if low - slack <= v <= high + slack]


def _short(value: float) -> str:
    if value != 0 and (abs(value) >= 1e5 or abs(value) < 1e-3):
        power = floor(log10(abs(value)) + 1e-9)
        digit = f"{value / 10.0**power:.3g}"
        mark = "" if digit == "1" else f"{digit}·"
        return f'{mark}10<tspan dy="-4" font-size="8">{power}</tspan>'
    return f"{value:.6g}".replace("-", "−")


def _runs(side: Side, other: FloatArray | None = None) -> list[NDArray[np.intp]]:
    """Split a curve where it has gaps; return the places in it."""
    good = np.isfinite(side.middle) if other is None else np.isfinite(other)
    places = np.flatnonzero(good)
    return [run for run in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1) if len(run)]


def _line(side: Side, across: Scale, up: Scale, kind: str) -> str:
    paths = []
    for run in _runs(side):
        points = [f"{across(side.x[k]):.1f} {up(side.middle[k]):.1f}" for k in run]
        paths.append("M" + "L".join(points))
    return f'<path class="line {kind}" d="{"".join(paths)}"/>' if paths else ""


def _steps(side: Side, across: Scale, up: Scale, kind: str) -> str:
    if len(side.x) < 2:
        return ""
    half = 0.5 * float(side.x[1] - side.x[0])
    low, high = float(side.x[0]), float(side.x[-1])
    path = ""
    for k, (x, y) in enumerate(zip(side.x, side.middle, strict=True)):
        left, right = across(max(x - half, low)), across(min(x + half, high))
        path += f"{'L' if k else 'M'}{left:.1f} {up(y):.1f}L{right:.1f} {up(y):.1f}"
    return f'<path class="line {kind}" d="{path}"/>'


def _band(side: Side, across: Scale, up: Scale, kind: str) -> str:
    if side.low is None or side.high is None:
        return ""
    paths = []
    for run in _runs(side, side.low + side.high):
        if len(run) < 2:
            continue
        above = [f"{across(side.x[k]):.1f} {up(_up_to(side.high[k])):.1f}" for k in run]
        below = [f"{across(side.x[k]):.1f} {up(_up_to(side.low[k])):.1f}" for k in run[::-1]]
        paths.append("M" + "L".join([*above, *below]) + "Z")
    return f'<path class="band {kind}" d="{"".join(paths)}"/>' if paths else ""


def _up_to(value: float) -> float:
    return float(value) if value > 0 or value < 0 else 0.0


def _dots(side: Side, across: Scale, up: Scale, kind: str) -> str:
    good = np.flatnonzero(np.isfinite(side.middle))
    return "".join(
        f'<circle class="dot {kind}" r="3" cx="{across(side.x[k]):.1f}" '
        f'cy="{up(side.middle[k]):.1f}"/>'
        for k in good
    )


_REACH = 4.0  # effect at the ends of a bar


def effect_bar(effect: Effect) -> str:
    """Draw an effect size with its interval, between far too low and far too high."""
    width, height = 150, 18

    def at(value: float) -> float:
        return width / 2 + float(np.clip(value, -_REACH, _REACH)) / _REACH * (width / 2 - 6)

    low, high, middle = at(effect.low), at(effect.high), at(effect.size)
    kind = effect.verdict.replace(" ", "-")
    return (
        f'<svg class="bar" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="effect {effect.size:.1f}">'
        f'<rect class="alike-zone" x="{at(-SMALL):.1f}" y="1" '
        f'width="{at(SMALL) - at(-SMALL):.1f}" height="{height - 2}" rx="3"/>'
        f'<path class="axis" d="M{width / 2} 1V{height - 1}"/>'
        f'<path class="whisker {kind}" d="M{low:.1f} {height / 2}H{high:.1f}"/>'
        f'<circle class="mark {kind}" r="4.5" cx="{middle:.1f}" cy="{height / 2}"/></svg>'
    )


def gauge(gap: Gap) -> str:
    """Draw an accuracy between one half and one, with its interval."""
    width, height = 420, 44

    def at(value: float) -> float:
        return 10 + (float(np.clip(value, 0.4, 1.0)) - 0.4) / 0.6 * (width - 20)

    parts = [
        f'<rect class="track" x="10" y="14" width="{width - 20}" height="8" rx="4"/>',
        f'<rect class="fill" x="{at(0.5):.1f}" y="14" '
        f'width="{max(at(gap.accuracy) - at(0.5), 0):.1f}" height="8" rx="4"/>',
        f'<path class="whisker" d="M{at(gap.low):.1f} 18H{at(gap.high):.1f}"/>',
        f'<circle class="mark" r="7" cx="{at(gap.accuracy):.1f}" cy="18"/>',
    ]
    for value, text in ((0.5, "50 % cannot tell"), (0.75, "75 %"), (1.0, "100 % always right")):
        anchor = {0.5: "middle", 0.75: "middle", 1.0: "end"}[value]
        parts.append(f'<text x="{at(value):.1f}" y="40" text-anchor="{anchor}">{text}</text>')
    return (
        f'<svg class="gauge" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="accuracy {gap.accuracy:.0%}">{"".join(parts)}</svg>'
    )

"""The report as one HTML page that needs nothing else: no script, no network, no font file."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from importlib.resources import files

from simcell.compare.advice import Change, number
from simcell.compare.charts import chart, effect_bar, gauge
from simcell.compare.classifier import Gap
from simcell.compare.comparison import Comparison
from simcell.compare.curves import Panel
from simcell.compare.effects import VERDICTS, Effect, Verdict
from simcell.compare.sheets import Strip, brightening, patch_strips, whole_fields
from simcell.compare.statistics import GROUPS, Group, Row

_TALL = 250  # px, height of pictures of whole fields
_MEANING: dict[Verdict, str] = {
    "alike": "no difference that matters",
    "close": "a difference of less than one spread between images",
    "in range": "usually different, but the synthetic images reach over the real ones",
    "off": "different",
    "too few": "maybe different: more images would tell",
}


@dataclass(frozen=True)
class Sources:
    """What was compared, for people to read.

    Attributes
    ----------
    real, synthetic : str
        Names of both.
    version : str
        Of simcell.
    notes : tuple of str
        What was assumed when files were read.
    """

    real: str
    synthetic: str
    version: str
    notes: tuple[str, ...] = field(default=())


def page(found: Comparison, sources: Sources) -> str:
    """Return the whole page as HTML."""
    style = (files("simcell.compare") / "page.css").read_text("utf-8")
    title = f"{sources.real} against {sources.synthetic}"
    parts = [
        _head(found, sources),
        _changes(found.changes),
        _sheets(found),
        *(_group(name, found) for name in GROUPS),
        _foot(found, sources),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"{chr(10).join(part for part in parts if part)}\n</main>\n</body>\n</html>\n"
    )


def _head(found: Comparison, sources: Sources) -> str:
    counts = [f"{len(found.real)} real fields", f"{len(found.synthetic)} synthetic fields"]
    return (
        "<header>\n<h1>How real do the synthetic images look?</h1>\n"
        f'<p><span class="key real">{escape(sources.real)}</span>'
        f'<span class="key synthetic">{escape(sources.synthetic)}</span></p>\n'
        f'<p class="soft small">{" · ".join(counts)}. Both colours mean the same '
        "throughout this page; bands hold 90 % of the images.</p>\n</header>\n"
        f'<div class="top">\n{_gap_card(found)}\n{_verdict_card(found)}\n</div>'
    )


def _gap_card(found: Comparison) -> str:
    gaps = [("images", found.image_gap), ("outlines of cells", found.outline_gap)]
    told = [(name, gap) for name, gap in gaps if gap is not None]
    if not told:
        text = "Needs two images, or two label images, of each source, of 24 px a side or more."
        return f'<section class="card"><h3>Classifier test</h3><p>{text}</p></section>'
    name, first = told[0]
    lines = [
        f"<h3>A simple classifier {first.words}</h3>",
        f'<div class="number">{first.accuracy:.0%} <small>right, {first.low:.0%} to '
        f"{first.high:.0%}; patches of {name}</small></div>",
        gauge(first),
        *(_second_gap(name, gap) for name, gap in told[1:]),
        _telling(first),
    ]
    return f'<section class="card">{"".join(lines)}</section>'


def _second_gap(name: str, gap: Gap) -> str:
    return (
        f"<p>By {name} alone: <strong>{gap.accuracy:.0%}</strong> right "
        f"({gap.low:.0%} to {gap.high:.0%}).</p>"
    )


def _telling(gap: Gap) -> str:
    words: dict[str, float] = {}
    for name, shift in gap.telling:
        words.setdefault(_in_words(name), shift)
    shown = ", ".join(
        f"{escape(text)} ({'+' if shift > 0 else '−'}{abs(shift):.1f})"
        for text, shift in list(words.items())[:3]
    )
    return (
        f'<p class="soft small">Tested on images it was not trained on, {gap.patches} patches. '
        f"Most telling, in standard deviations that synthetic lies above real: {shown}.</p>"
    )


def _in_words(feature: str) -> str:
    """Name a feature of patches; see `simcell.describe.grey.summary`."""
    name = feature.removesuffix(", log")
    first, _, rest = name.partition(" ")
    match first:
        case "quantile":
            return f"the {float(rest):.0%} quantile of grey levels"
        case "power":
            return f"detail of {1 / float(rest.removeprefix('at ').removesuffix('/px')):.0f} px"
        case "noise":
            return "noise"
        case "grain":
            return "likeness of pixels near by"
        case "sd":
            return "spread of grey levels"
    return name


def _verdict_card(found: Comparison) -> str:
    counts = found.verdicts
    chips = "".join(
        f'<div><span class="chip {_class(v)}">{counts[v]} {v}</span> '
        f'<span class="soft small">{_MEANING[v]}</span></div>'
        for v in VERDICTS
        if counts[v]
    )
    good = counts["alike"] + counts["close"] + counts["in range"]
    return (
        f'<section class="card"><h3>{good} of {len(found.rows)} numbers agree</h3>'
        f'<div class="chips">{chips}</div>{"".join(_tally(group, found) for group in GROUPS)}'
        "</section>"
    )


def _tally(group: Group, found: Comparison) -> str:
    """Draw a block for every number of a group, in the colour of its verdict."""
    blocks = "".join(
        f'<i class="{_class(row.effect.verdict)}" title="{escape(row.statistic.about)}"></i>'
        for row in sorted(found.rows, key=lambda row: VERDICTS.index(row.effect.verdict))
        if row.statistic.group == group
    )
    return f'<div class="tally"><span>{GROUPS[group]}</span>{blocks}</div>' if blocks else ""


def _class(verdict: Verdict) -> str:
    return verdict.replace(" ", "-")


def _changes(changes: list[Change]) -> str:
    if not changes:
        return '<h2>What to change first</h2>\n<p class="card">Nothing stands out.</p>'
    items = "\n".join(
        f'<li class="card"><strong>{escape(c.what)}</strong>'
        f'<p class="small soft">{escape(c.why)}.</p><p class="small">{_how(c)}</p></li>'
        for c in changes
    )
    return f'<h2>What to change first</h2>\n<ol class="changes">\n{items}\n</ol>'


def _how(change: Change) -> str:
    text = escape(change.how)
    return text if change.path is None else text.replace(
        escape(change.path), f"<code>{escape(change.path)}</code>"
    )  # fmt: skip


def _sheets(found: Comparison) -> str:
    parts = ["<h2>Side by side</h2>"]
    strips = patch_strips(found)
    if strips:
        patch = found.patches[0][0]
        pixel = found.real[patch.field].field.spacing_um[1]
        parts.append(
            f'<p class="soft small">Patches of {patch.side} px ({patch.side * pixel:.0f} µm in '
            f"the real images), {_shown(found)}.</p>"
        )
        parts += [_strip(strip, "strip", captions=False) for strip in strips]
    parts.append("<h3>Whole fields</h3>")
    parts += [_strip(strip, "strip fields", captions=True) for strip in whole_fields(found)]
    return "\n".join(parts)


def _shown(found: Comparison) -> str:
    gain = brightening(found)
    if gain == 1:
        return "with the grey levels of their files"
    return f"all pictures brightened {gain:g} times to be seen"


def _strip(strip: Strip, kind: str, *, captions: bool) -> str:
    figures = []
    for picture in strip.pictures:
        caption = escape(picture.caption)
        wide = f' style="width:{picture.width * _TALL / picture.height:.0f}px"' if captions else ""
        below = f"<figcaption>{caption}</figcaption>" if captions else ""
        figures.append(
            f'<figure><img class="{strip.kind}" src="{picture.source}" alt="{caption}" '
            f'title="{caption}" width="{picture.width}" height="{picture.height}"{wide}>'
            f"{below}</figure>"
        )
    heading = f'<h3 class="{strip.kind}">{escape(strip.heading)}</h3>'
    return f'<div class="{kind}">{heading}<div>{"".join(figures)}</div></div>'


def _group(name: Group, found: Comparison) -> str:
    rows = [row for row in found.rows if row.statistic.group == name]
    panels = [panel for panel in found.panels if panel.group == name]
    if not rows and not panels:
        return ""
    charts = "\n".join(_chart(panel) for panel in panels)
    return f"<h2>{GROUPS[name]}</h2>\n{_table(rows)}\n" + (
        f'<div class="charts">\n{charts}\n</div>' if panels else ""
    )


def _table(rows: list[Row]) -> str:
    if not rows:
        return ""
    body = "\n".join(
        f"<tr><td>{escape(row.statistic.about)}</td>"
        f"{_values(row.effect.real, row.effect.real_low, row.effect.real_high)}"
        f"{_values(row.effect.synthetic, row.effect.synthetic_low, row.effect.synthetic_high)}"
        f"<td>{effect_bar(row.effect)}</td>"
        f'<td><span class="chip {_class(row.effect.verdict)}">{row.effect.verdict}</span></td>'
        f'<td class="small soft">{_wrong(row)}</td></tr>'
        for row in rows
    )
    return (
        '<div class="card wide"><table>\n<thead><tr><th>per image</th>'
        '<th class="real">real</th><th class="synthetic">synthetic</th>'
        '<th class="effect">lower ← → higher</th><th>verdict</th><th></th></tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _values(middle: float, low: float, high: float) -> str:
    return f'<td class="value">{number(middle)} <span>{number(low)} to {number(high)}</span></td>'


def _wrong(row: Row) -> str:
    effect: Effect = row.effect
    if effect.verdict not in ("off", "in range"):
        return ""
    return escape(row.statistic.words[0 if effect.size < 0 else 1])


def _chart(panel: Panel) -> str:
    note = f'<p class="note">{escape(panel.note)}</p>' if panel.note else ""
    dashed = ""
    if panel.reference is not None:
        dashed = f'<p class="note">Dashed: {escape(panel.reference[0])}.</p>'
    return (
        f'<figure class="card chart"><h3>{escape(panel.title)}</h3>'
        f"{chart(panel)}{dashed}{note}</figure>"
    )


def _foot(found: Comparison, sources: Sources) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in sources.notes)
    assumed = f'<p>Assumed while reading:</p><ul class="notes">{notes}</ul>' if notes else ""
    return (
        f'<footer class="small soft">{assumed}'
        "<p>Effects are differences of means in standard deviations between images (Hedges’ g), "
        "with 99 % intervals; bars end at ±4, and what lies in the green zone is alike. Numbers "
        "are medians, and where 90 % of the images lie.</p>"
        f"<p>simcell {escape(sources.version)}, seed {found.seed}. The same numbers are in "
        "<code>report.json</code>.</p></footer>"
    )

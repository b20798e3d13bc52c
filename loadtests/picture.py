"""A picture of the figures, in SVG: bars of CPU a call, shorter is better, with the spread over the rounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape

from calls import CASES, Way
from figures import DIRECT, Measured, Spread

WIDTH = 760
LEFT = 190
RIGHT = 170
LINE = 26
TITLE = 46
OURS, THEIRS, INK = "#1f6feb", "#9aa4af", "#24292f"


def picture(measured: Measured) -> str:
    """Of the cases of many calls; those of large bodies are about bytes."""
    parts, top = [], 16
    for case in (each for each in CASES if each.latency):
        names = [each for each in measured.contenders if each.name != DIRECT and measured.of(case.name, each.name)]
        if names:
            bars = [(each.name, each.way is not Way.PROXIED, measured.cost(case.name, each.name)) for each in names]
            parts.append(_text(16, top + 18, f"{case.title}: CPU µs a call", weight="bold"))
            parts.extend(_bars(bars, top + TITLE - 16))
            top += TITLE + LINE * len(names)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}"'
    back = f'<rect width="{WIDTH}" height="{top}" fill="#ffffff"/>'
    return "\n".join([f'{head} font-family="sans-serif" font-size="13">', back, *parts, "</svg>", ""])


def _bars(bars: Iterable[tuple[str, bool, Spread]], top: int) -> Iterator[str]:
    bars = list(bars)
    longest = max(cost.high for _, _, cost in bars) or 1
    for number, (name, ours, cost) in enumerate(bars):
        y = top + number * LINE
        scale = (WIDTH - LEFT - RIGHT) / longest
        yield _text(LEFT - 8, y + 15, name, anchor="end")
        colour, width = OURS if ours else THEIRS, cost.median * scale
        yield f'<rect x="{LEFT}" y="{y + 2}" width="{width:.1f}" height="18" fill="{colour}"/>'
        low, high = LEFT + cost.low * scale, LEFT + cost.high * scale
        yield f'<path d="M{low:.1f} {y + 11}H{high:.1f}M{low:.1f} {y + 7}v8M{high:.1f} {y + 7}v8" stroke="{INK}"/>'
        yield _text(high + 8, y + 15, f"{cost:.0f}")


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="{INK}"'
    return f"<text {place}>{escape(text)}</text>"

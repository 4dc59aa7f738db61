"""Plots as SVG: bars and lines, small enough to be read, the same bytes each time."""

import math
from html import escape
from typing import NamedTuple

WIDTH = 760
LEFT, RIGHT = 215, 110
ROW = 26
COLOURS = ("#1b6e53", "#c8692a", "#4a62a8", "#8a8a8a", "#a63d5a", "#7a6a1f", "#2b8fa3")
STYLE = ("<style>text{font:12px sans-serif;fill:#444}.title{font-weight:bold;font-size:14px}"
         ".axis{stroke:#bbb;stroke-width:1}</style>")


class Bar(NamedTuple):
    label: str
    value: float
    low: float
    high: float


class Line(NamedTuple):
    label: str
    values: list
    dashed: bool = False


def number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def round_above(value: float) -> float:
    """Four even steps that reach it."""
    step = 10 ** math.floor(math.log10(value / 4))
    return 4 * next(step * n for n in (1, 2, 2.5, 5, 10) if step * n >= value / 4)


def svg(height: float, parts: list, title: str) -> str:
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:g}"'
            f' viewBox="0 0 {WIDTH} {height:g}" role="img">')
    return "\n".join([head, f"<title>{escape(title)}</title>", STYLE,
                      f'<rect width="{WIDTH}" height="{height:g}" fill="#fff"/>',
                      text(12, 22, title, "title"), *parts, "</svg>"]) + "\n"


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    name = f' class="{kind}"' if kind else ""
    return (f'<text x="{x:.1f}" y="{y:.1f}"{name} text-anchor="{anchor}">'
            f"{escape(words)}</text>")


def rule(x1: float, y1: float, x2: float, y2: float, style: str = 'class="axis"') -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def bars(title: str, found: list) -> str:
    """One bar each, the median; a whisker from the minimum to the maximum."""
    top = 40
    scale = (WIDTH - LEFT - RIGHT) / max(bar.high for bar in found)
    parts = []
    for i, bar in enumerate(found):
        y = top + i * ROW
        colour = COLOURS[0] if bar.label.startswith("pawl") else COLOURS[3]
        middle = y + ROW / 2 - 3
        parts += [
            text(LEFT - 8, middle + 4, bar.label, anchor="end"),
            f'<rect x="{LEFT}" y="{y:.1f}" width="{max(bar.value, 0) * scale:.1f}"'
            f' height="{ROW - 8}" fill="{colour}"/>',
            rule(LEFT + bar.low * scale, middle, LEFT + bar.high * scale, middle,
                 'stroke="#222" stroke-width="2"'),
            text(LEFT + bar.high * scale + 6, middle + 4, number(bar.value)),
        ]
    return svg(top + len(found) * ROW + 12, parts, title)


def lines(title: str, found: list, across: str) -> str:
    """A line each; the legend stands beside its end. The vertical axis begins at 0."""
    left, right, top, height = 70, 230, 44, 300
    most = round_above(max(max(line.values) for line in found))
    longest = max(len(line.values) for line in found)
    step = (WIDTH - left - right) / max(1, longest - 1)
    bottom = top + height
    parts = [rule(left, bottom, WIDTH - right, bottom), rule(left, top, left, bottom),
             text(left, bottom + 34, across)]
    for tick in range(5):
        y = bottom - height * tick / 4
        parts += [rule(left - 4, y, left, y),
                  text(left - 8, y + 4, number(most * tick / 4), anchor="end")]
    labels = []
    for i, line in enumerate(found):
        points = [(left + step * n, bottom - height * value / most)
                  for n, value in enumerate(line.values)]
        dash = ' stroke-dasharray="6 4"' if line.dashed else ""
        colour = COLOURS[i // 2 % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}"'
                     f' stroke-width="2"{dash}/>')
        labels.append((points[-1][1], line.label, colour))
    parts += legend(labels, WIDTH - right + 10, top, bottom)
    return svg(bottom + 50, parts, title)


def legend(labels: list, x: float, top: float, bottom: float) -> list:
    """Each beside its line's end, moved apart so that they can be read."""
    parts, last = [], top - 16
    room = len(labels) * 16
    for i, (y, label, colour) in enumerate(sorted(labels)):
        y = max(min(y + 4, bottom - room + i * 16 + 16), last + 16)
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}" style="fill:{colour}">'
                     f"{escape(label)}</text>")
        last = y
    return parts

# SPDX-License-Identifier: MIT
"""An SVG of two panels: ns a packet against depth (rungs 4 and 5) and against size (rungs 1 and 2),
a colour for each backend. Both axes of cost are logarithmic: backends differ by a factor of 20."""

from html import escape
from math import log

COLOURS = {"none": "#767676", "portable": "#a65628", "libcrypto": "#0072b2", "avx2": "#d55e00",
           "ipsecmb": "#009e73"}
SPARE = "#984ea3"
DASHED = 'stroke-dasharray="6 4"'
PANEL_WIDTH, PANEL_HEIGHT, LEFT, TOP, GAP = 400, 340, 70, 60, 90
HEIGHT = TOP + PANEL_HEIGHT + 60


def text(x, y, words, anchor="middle", size=13, more=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" {more}>'
            f"{escape(words)}</text>")


def segment(x1, y1, x2, y2, colour="#ddd", width=1, more=""):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width}" {more}/>')


def ticks(low, high):
    """1, 2 and 5 of each decade between."""
    found = [digit * 10 ** power for power in range(7) for digit in (1, 2, 5)]
    return [tick for tick in found if low <= tick <= high]


class Panel:
    """`curves`: (backend, is_dashed) → {x: ns}. `scale` turns an x into a place on its axis;
    `styles` says what a whole and a dashed line are."""

    def __init__(self, left, title, x_title, scale, styles, curves):
        self.left, self.title, self.x_title, self.scale = left, title, x_title, scale
        self.styles, self.curves = styles, curves
        self.xs = sorted({x for curve in curves.values() for x in curve})
        costs = [ns for curve in curves.values() for ns in curve.values()]
        self.low, self.high = min(costs) / 1.2, max(costs) * 2.2

    def x(self, value):
        first, last = self.scale(self.xs[0]), self.scale(self.xs[-1])
        return self.left + 20 + (PANEL_WIDTH - 40) * (self.scale(value) - first) / (last - first)

    def y(self, ns):
        return TOP + PANEL_HEIGHT * (1 - log(ns / self.low) / log(self.high / self.low))

    def draw(self):
        right, bottom = self.left + PANEL_WIDTH, TOP + PANEL_HEIGHT
        parts = [text(self.left + PANEL_WIDTH / 2, TOP - 14, self.title, size=15),
                 text(self.left + PANEL_WIDTH / 2, bottom + 44, self.x_title),
                 text(0, 0, "ns a packet", more=f'transform="translate({self.left - 52} '
                      f'{TOP + PANEL_HEIGHT / 2}) rotate(-90)"')]
        for tick in ticks(self.low, self.high):
            parts += [segment(self.left, self.y(tick), right, self.y(tick)),
                      text(self.left - 6, self.y(tick) + 4, f"{tick:,}", "end", 12)]
        for value in self.xs:
            parts += [segment(self.x(value), bottom, self.x(value), bottom + 5, "#333"),
                      text(self.x(value), bottom + 20, f"{value}", size=12)]
        parts.append(f'<rect x="{self.left}" y="{TOP}" width="{PANEL_WIDTH}" '
                     f'height="{PANEL_HEIGHT}" fill="none" stroke="#333"/>')
        parts += self.draw_styles()
        for (backend, is_dashed), curve in self.curves.items():
            parts += self.draw_curve(COLOURS.get(backend, SPARE), is_dashed, sorted(curve.items()))
        return parts

    def draw_styles(self):
        """In the corner where no curve of a growing cost goes."""
        x = self.left + 12
        parts = [f'<rect x="{x - 4}" y="{TOP + 6}" width="160" height="44" fill="#fff"/>']
        for number, words in enumerate(self.styles):
            y = TOP + 18 + 20 * number
            parts += [segment(x, y, x + 30, y, "#333", 2, DASHED if number else ""),
                      text(x + 38, y + 4, words, "start", 12)]
        return parts

    def draw_curve(self, colour, is_dashed, points):
        places = [(self.x(x), self.y(ns)) for x, ns in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dash = DASHED if is_dashed else ""
        fill = "#fff" if is_dashed else colour
        curve = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" {dash}/>'
        return [curve, *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{fill}" '
                         f'stroke="{colour}"/>' for x, y in places)]


def curves_of(rows, chosen, x_key):
    """`chosen` tells of a row: None (not in the picture), or whether its curve is dashed."""
    curves = {}
    for row in rows:
        is_dashed = chosen(row)
        if is_dashed is not None:
            curve = curves.setdefault((row["backend"], is_dashed), {})
            curve[int(row[x_key])] = float(row["ns"])
    return curves


def by_depth(row):
    is_bulk = row["rung"] in ("4", "5") and row.get("load") == "bulk"
    return row["direction"] == "in" if is_bulk else None


def by_size(row):
    is_seal = row["rung"] in ("1", "2") and row.get("op") == "seal"
    return row["rung"] == "1" if is_seal else None


def legend(backends, left):
    parts = []
    for number, backend in enumerate(backends):
        y = TOP + 12 + 22 * number
        parts += [segment(left, y, left + 28, y, COLOURS.get(backend, SPARE), 3),
                  text(left + 36, y + 4, "no AEAD" if backend == "none" else backend, "start")]
    return parts


def plot(rows):
    """The picture's text, or None where there is no curve to draw."""
    panels, left = [], LEFT
    for title, x_title, scale, styles, curves in (
            ("Engine, packets of 1420 bytes", "hops", float, ("outbound", "inbound"),
             curves_of(rows, by_depth, "depth")),
            ("AEAD alone, seal", "bytes a packet", log, ("batch of 64", "one packet a call"),
             curves_of(rows, by_size, "size"))):
        if any(len(curve) > 1 for curve in curves.values()):
            panels.append(Panel(left, title, x_title, scale, styles, curves))
            left += PANEL_WIDTH + GAP
    if not panels:
        return None
    costs = {}
    for panel in panels:
        for (backend, _), curve in panel.curves.items():
            costs[backend] = max(costs.get(backend, 0), *curve.values())
    backends = sorted(costs, key=costs.get, reverse=True)
    width = left - GAP + 140
    parts = [part for panel in panels for part in panel.draw()] + legend(backends, left - GAP + 20)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" '
            f'width="{width}" height="{HEIGHT}" font-family="sans-serif" fill="#222">\n'
            f'<rect width="{width}" height="{HEIGHT}" fill="#fff"/>\n' + "\n".join(parts)
            + "\n</svg>\n")

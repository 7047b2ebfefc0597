"""The picture: four bar charts in one SVG, on linear scales that begin at zero, legible on light and on dark
pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from tests.bench.contestants import ALL, ANSWERING, Contestant

WIDTH, ROW, BAR, NAMES, MARGIN = 860, 24, 15, 225, 16
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px }
.note { fill: #59636e; font-size: 12px }
.other { fill: #8c959f } .ours { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .note { fill: #9198a1 }
  .other { fill: #6e7681 } .ours { fill: #4493f8 }
}
"""


@dataclass(frozen=True)
class _Chart:
    title: str
    note: str
    bars: Sequence[tuple[Contestant, float]]
    unit: str


def svg(run: Mapping[str, Any]) -> str:
    """The picture of a run."""
    body: list[str] = []
    y = MARGIN
    for chart in _charts(run):
        y = _draw(chart, y, body)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" role="img"'
    label = "Time of an answered question, time to the first word, requests per second and memory, of dndchat and others"
    return "\n".join([f'{head} aria-label="{label}">', f"<style>{_STYLE}</style>", *body, "</svg>"]) + "\n"


def _charts(run: Mapping[str, Any]) -> list[_Chart]:
    latency, memory = run["latency"], run["memory_far"] or run["memory"]
    charts = [
        _Chart(
            "Time of one request, median",
            "an answered question; bare Python and Flask hello: their one page. Shorter is better",
            [(c, latency[c.key][c.typical]["p50"]) for c in ALL],
            "ms",
        )
    ]
    if run["far"]:
        charts.append(
            _Chart(
                "Time to the first word, median",
                f"{run['rtt']:g} ms a round trip, TLS, a model that begins after 300 ms. Shorter is better",
                [(c, run["far"][c.key]["streamed"]["first_word"]["p50"]) for c in ANSWERING],
                "ms",
            )
        )
    return [
        *charts,
        _Chart(
            "Requests per second, 8 clients",
            "answered questions; bare Python and Flask hello: their one page. Longer is better",
            [(c, run["throughput"][c.key][c.typical]["8"]) for c in ALL],
            "/s",
        ),
        _Chart(
            "Memory of the process that each request starts, peak",
            "FastCGI and gunicorn start none. Shorter is better",
            [(c, memory[c.key]["started"]) for c in ALL if memory[c.key]["started"]],
            "MB",
        ),
    ]


def _draw(chart: _Chart, y: int, body: list[str]) -> int:
    body.append(f'<text class="title" x="{MARGIN}" y="{y + 14}">{escape(chart.title)}</text>')
    body.append(f'<text class="note" x="{MARGIN}" y="{y + 31}">{escape(chart.note)}</text>')
    y += 42
    room = WIDTH - NAMES - 2 * MARGIN - 80
    longest = max(value for _, value in chart.bars)
    for contestant, value in chart.bars:
        kind = "ours" if contestant.title.startswith("dndchat") else "other"
        length = max(1.0, room * value / longest)
        number = f"{value:.1f}" if value < 100 else f"{value:,.0f}"
        middle = y + ROW / 2 + 4
        body += [
            f'<text x="{MARGIN + NAMES - 8}" y="{middle}" text-anchor="end">{escape(contestant.title)}</text>',
            f'<rect class="{kind}" x="{MARGIN + NAMES}" y="{y + (ROW - BAR) / 2}" width="{length:.1f}" height="{BAR}" rx="2"/>',
            f'<text x="{MARGIN + NAMES + length + 6:.1f}" y="{middle}">{number} {chart.unit}</text>',
        ]
        y += ROW
    return y + 20

"""A page for people on one reconciliation: whole in itself, with its plots."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import jinja2

from dropless.reconciliation.findings import Report, spoken
from dropless.reconciliation.history import Past

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN: Final = 500
"""Findings on the page; the report as JSON has all of them."""
PLOTTED: Final = 200
_INCHES: Final = (7.2, 2.8)
_MARKS: Final = {"source": "o", "lake": "x", "pinot": "+"}


def page(report: Report, history: Sequence[Past]) -> str:
    """The page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("dropless.reconciliation"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    recent = [each for each in history if set(each.sources) == set(report.rows)][-PLOTTED:]
    return environment.get_template("reconciliation.html.j2").render(
        report=report,
        began=_moment(report.began),
        shown=report.findings[:SHOWN],
        more=max(0, len(report.findings) - SHOWN),
        stages=list(dict.fromkeys(stage for fence in report.fences for stage in fence)),
        counts=_drawn(lambda axes: _counts(axes, recent), "Rows by source over time"),
        lags=_drawn(lambda axes: _lags(axes, report), "Seconds after each fence, by stage"),
        found=_drawn(lambda axes: _found(axes, recent), "Findings over time"),
        whole=sum(report.rows.values()),
    )


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _counts(axes: Axes, history: Sequence[Past]) -> None:
    at = [datetime.fromtimestamp(each.began, UTC) for each in history]
    sources = list(dict.fromkeys(source for each in history for source in each.sources))
    for number, source in enumerate(sources):
        for system, mark in _MARKS.items():
            rows = [each.rows.get(system, {}).get(source) for each in history]
            if any(each is not None for each in rows):
                values = [float("nan") if each is None else each for each in rows]
                axes.plot(at, values, marker=mark, color=f"C{number}", label=f"{source} in {spoken(system)}", alpha=0.7)  # type: ignore[arg-type]  # matplotlib takes moments


def _lags(axes: Axes, report: Report) -> None:
    stages = list(dict.fromkeys(stage for fence in report.fences for stage in fence))
    width = 0.8 / max(1, len(stages))
    for number, stage in enumerate(stages):
        places = [place + number * width for place in range(len(report.fences))]
        axes.bar(places, [fence.get(stage, 0.0) for fence in report.fences], width, label=stage)
    middle = (len(stages) - 1) / 2 * width
    axes.set_xticks(
        [place + middle for place in range(len(report.fences))], [f"{n + 1}" for n in range(len(report.fences))]
    )


def _found(axes: Axes, history: Sequence[Past]) -> None:
    at = [datetime.fromtimestamp(each.began, UTC) for each in history]
    for system in dict.fromkeys(system for each in history for system in each.findings):
        axes.plot(at, [each.findings.get(system, 0) for each in history], marker=".", label=system)  # type: ignore[arg-type]
    axes.set_ylim(bottom=0)


def _drawn(draw: Callable[[Axes], None], title: str) -> str:
    """A plot as a data URI."""
    # A second that only pages need; and no pyplot, whose figures are the whole process's.
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context({"text.parse_math": False, "font.size": 8}):
        figure = Figure(figsize=_INCHES, dpi=100, layout="constrained")
        axes = figure.subplots()
        draw(axes)
        axes.set_title(title)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
        axes.tick_params(axis="x", labelrotation=0)
        if axes.get_legend_handles_labels()[1]:
            figure.legend(loc="outside right upper", frameon=False)
        file = io.BytesIO()
        figure.savefig(file, format="png", pil_kwargs={"optimize": True})
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"

"""A plot as a picture that stands in a text: a PNG as a data URI, of some ten kilobytes."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any, Final

from dropless.lake.plotting import Points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INCHES: Final = (7.2, 3.2)
DOTS: Final = 90
_MARKUP: Final = "[]()<>\\!`*"
LABELS: Final = 12
"""So many labels fit below the bars."""


def markdown(points: Points, title: str) -> str:
    """The picture as Markdown; what cannot see it reads what it tells."""
    told = " ".join(f"{title}: {points.y or 'values'} by {points.x}".split())
    safe = "".join(each for each in told if each not in _MARKUP).replace("_", "\\_")
    return f"![{safe}](data:image/png;base64,{base64.b64encode(png(points, title)).decode()})"


def png(points: Points, title: str) -> bytes:
    """The picture itself."""
    # A second that only plots need; and no pyplot, whose figures are the whole process's.
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import EngFormatter  # noqa: PLC0415

    # A name from the data is no formula.
    with mpl.rc_context({"text.parse_math": False, "font.size": 8}):
        figure = Figure(figsize=INCHES, dpi=DOTS, layout="constrained")
        axes = figure.subplots()
        drawn = _bars(axes, points) if points.kind == "bar" else _lines(axes, points)
        axes.set(title=title, xlabel=points.x, ylabel=points.y)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
        if len(drawn) > 1:
            figure.legend(drawn, [each.name for each in points.series], loc="outside right upper", frameon=False)
        file = io.BytesIO()
        figure.savefig(file, format="png", pil_kwargs={"optimize": True})
    return file.getvalue()


def _lines(axes: Axes, points: Points) -> list[Any]:
    drawn = []
    for series in points.series:
        (line,) = axes.plot(series.x, series.y, marker="." if len(series.x) <= LABELS * 3 else "")
        drawn.append(line)
    if points.series:
        axes.set_ylim(bottom=min(0.0, *(min(each.y) for each in points.series)))
    return drawn


def _bars(axes: Axes, points: Points) -> list[Any]:
    places = sorted({place for series in points.series for place in series.x})
    position = {place: number for number, place in enumerate(places)}
    width = 0.8 / max(1, len(points.series))
    drawn = []
    for number, series in enumerate(points.series):
        shift = (number - (len(points.series) - 1) / 2) * width
        drawn.append(axes.bar([position[place] + shift for place in series.x], series.y, width))
    every = -(-len(places) // LABELS) or 1
    axes.set_xticks(range(0, len(places), every), [_label(place) for place in places[::every]])
    return drawn


def _label(place: Any) -> str:
    if isinstance(place, float):
        return f"{place:,g}"
    return place if isinstance(place, str) else f"{place:%Y-%m-%d}"

"""What thresholds promise against what they keep on images they were not fitted to, as one small picture."""

import base64
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

from autotag.domain.held_out import HeldOut

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _MUTED, _BLUE, _AMBER, _PAPER = "#1b2330", "#5b6676", "#2f6fde", "#d98200", "#ffffff"
_PANEL_INCHES, _DPI = (4.6, 3.9), 110
_SMALLEST, _LARGEST = 18, 220
"""Areas of dots, in points squared."""


def reliability_png(found: Mapping[str, HeldOut], target_precision: float) -> bytes:
    """Two panels a source: promised chance against what came true, and each tag's precision against how often it was given.

    Args:
        found: by source; none gives a picture that says so.
        target_precision: that was asked for.
    """
    from matplotlib.figure import Figure

    rows = max(1, len(found))
    figure = Figure(
        (2 * _PANEL_INCHES[0], rows * _PANEL_INCHES[1]), dpi=_DPI, facecolor=_PAPER, layout="constrained"
    )
    panels = figure.subplots(rows, 2, squeeze=False)
    if not found:
        for panel in panels[0]:
            panel.set_axis_off()
        panels[0][0].text(0, 1, "No examples to measure with", color=_MUTED, va="top")
    for (left, right), (source, held) in zip(panels, found.items(), strict=False):
        _draw_bins(left, source, held)
        _draw_tags(right, source, held, target_precision)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def reliability_markdown(png: bytes) -> str:
    """The picture as a Markdown image that carries its own bytes."""
    return f"![reliability](data:image/png;base64,{base64.b64encode(png).decode('ascii')})"


def _draw_bins(panel: "Axes", source: str, held: HeldOut) -> None:
    most = max((each.examples for each in held.bins), default=1)
    panel.plot([0, 1], [0, 1], color=_MUTED, linewidth=1, linestyle="--", label="as promised")
    panel.plot(
        [each.promised for each in held.bins], [each.right for each in held.bins], color=_BLUE, linewidth=1
    )
    panel.scatter(
        [each.promised for each in held.bins],
        [each.right for each in held.bins],
        s=[_SMALLEST + (_LARGEST - _SMALLEST) * (each.examples / most) ** 0.5 for each in held.bins],
        color=_BLUE,
        label="held-out examples",
        zorder=3,
    )
    _finish(panel, f"{source}: chance of being right", "promised", "came true")
    panel.set_xlim(-0.03, 1.03)


def _draw_tags(panel: "Axes", source: str, held: HeldOut, target_precision: float) -> None:
    panel.axhline(target_precision, color=_AMBER, linewidth=1.2, label=f"asked: {target_precision:g}")
    if held.tags:
        given = [row.given for row in held.tags]
        panel.scatter(
            given, [row.precision for row in held.tags], s=_SMALLEST, color=_BLUE, label="a tag", zorder=3
        )
        panel.axhline(
            held.precision, color=_INK, linewidth=1, linestyle=":", label=f"all of them: {held.precision:.3f}"
        )
        panel.set_xscale("log")
    else:
        panel.text(
            0.5, 0.5, "no tag has enough examples", color=_MUTED, ha="center", transform=panel.transAxes
        )
    _finish(panel, f"{source}: precision of given tags", "times given, held out", "right")


def _finish(panel: "Axes", title: str, across: str, up: str) -> None:
    panel.set_title(title, color=_INK, fontsize=10, loc="left")
    panel.set_xlabel(across, color=_MUTED, fontsize=9)
    panel.set_ylabel(up, color=_MUTED, fontsize=9)
    panel.set_ylim(-0.03, 1.03)
    panel.tick_params(colors=_MUTED, labelsize=8)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(loc="lower right", frameon=False, fontsize=8)

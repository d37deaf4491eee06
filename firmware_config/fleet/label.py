"""A label to print, as SVG: what the box is, where it belongs, and what people have a right to know.

It helps the notice, it does not replace it.
"""

from __future__ import annotations

import textwrap
from xml.sax.saxutils import escape

from firmware_config.fleet.rows import Enrolment

_WIDTH_MM = 100
_MARGIN_MM = 5.0


def draw_label(row: Enrolment) -> str:
    """The label's SVG, 100 mm wide and as high as its words need."""
    lines = [
        (row.device, 9.0, 700, 18),
        (row.site, 5.5, 400, 30),
        ("MAC  __ : __ : __ : __ : __ : __", 4.0, 400, 60),
        ("Camera that estimates facial expressions; no picture leaves.", 3.6, 700, 48),
        (f"Contact: {row.contact}", 3.6, 700, 48),
        (f"The notice: {row.notice}. Power this box only when it hangs.", 3.2, 400, 56),
        ("The numbers describe expressions, not feelings, and several people at once. Staff are not to be watched.",
         3.2, 400, 56),
    ]  # fmt: skip
    drawn, y_mm = [], _MARGIN_MM
    for text, size_mm, weight, letters in lines:
        for part in textwrap.wrap(text, letters):
            y_mm += 1.3 * size_mm
            drawn.append(
                f'<text x="{_MARGIN_MM:g}" y="{y_mm:.1f}" font-size="{size_mm:g}" font-weight="{weight}">'
                f"{escape(part)}</text>"
            )
        y_mm += 1.2
    height_mm = y_mm + _MARGIN_MM
    body = "\n  ".join(drawn)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH_MM}mm" height="{height_mm:.1f}mm" \
viewBox="0 0 {_WIDTH_MM} {height_mm:.1f}" font-family="sans-serif">
  <rect x="0.5" y="0.5" width="{_WIDTH_MM - 1}" height="{height_mm - 1:.1f}" rx="3" fill="white" stroke="black" \
stroke-width="0.4"/>
  {body}
</svg>
"""

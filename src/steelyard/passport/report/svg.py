"""SVG as text: elements, escaping, and the colours that all pictures share."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

INK = "#17212b"
MUTED = "#4d5a66"
PAPER = "#ffffff"
_CHARACTER = 0.6
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")


def escape(text: str) -> str:
    """`text` for XML content or a quoted attribute; characters XML forbids become U+FFFD."""
    return html.escape(_CONTROL.sub("\ufffd", text), quote=True)


def text_width(text: str, size: float) -> float:
    """Estimated width of `text` at `size` user units."""
    return _CHARACTER * size * len(text)


def picture(
    parts: Sequence[str], chart_id: str, labels: tuple[str, str], size: tuple[float, float]
) -> str:
    """A whole picture.

    Args:
        parts: Its elements.
        chart_id: Unique on the page.
        labels: Title and description, for readers who do not see it.
        size: Width and height.
    """
    name, width, height = escape(chart_id), px(size[0]), px(size[1])
    return (
        f'<svg class="chart" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(labels[0])}</title>'
        f'<desc id="{name}-desc">{escape(labels[1])}</desc>'
        f"{''.join(parts)}</svg>"
    )


def text_at(x: float, y: float, text: str, **style: float | str) -> str:
    """Text that starts at a point."""
    return element("text", text, x=x, y=y, **{"font_size": 12, "fill": INK, **style})


def rectangle(x: float, y: float, width: float, height: float, **style: float | str) -> str:
    """A rectangle."""
    return element("rect", x=x, y=y, width=width, height=height, **style)


def stroke(path: str, width: float, **style: float | str) -> str:
    """A path, stroked in ink unless told otherwise."""
    return element(
        "path", **{"d": path, "stroke": INK, "stroke_width": width, "fill": "none", **style}
    )


def element(tag: str, text: str = "", /, **attributes: float | str) -> str:
    """An element whose attributes are numbers or constants of this module."""
    written = "".join(
        f' {name.replace("_", "-")}="{value if isinstance(value, str) else px(value)}"'
        for name, value in attributes.items()
    )
    return f"<{tag}{written}>{escape(text)}</{tag}>" if text else f"<{tag}{written}/>"


def px(value: float) -> str:
    """A coordinate with at most two decimals, without a needless point or sign."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text

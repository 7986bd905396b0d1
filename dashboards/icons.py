"""The icons of "Making data count": what a chart's latest point says, and whether a target will be
met.

Here: own drawings as inline SVG, each with its words beside it: no meaning by picture alone.
Not here: which one applies (the marts).
"""

from urllib.parse import quote

from dash import html

# icon of mart.control_charts -> ring's colour, letter (None: that of the side), what it says
VARIATION = {
    "common_cause": ("#6b7480", "", "Common cause: as it usually varies"),
    "special_cause_improvement": ("#0072c6", None, "Special cause, improvement"),
    "special_cause_concern": ("#c4520a", None, "Special cause, concern"),
    "special_cause_neither": ("#6f3fa0", None, "Special cause, neither better nor worse"),
}
ASSURANCE = {
    "pass": ("#0072c6", "P", "The target will be met"),
    "fail": ("#c4520a", "F", "The target will not be met unless something changes"),
    "inconsistent": ("#6b7480", "?", "The target will be met at times, by chance"),
}
_WAVE = {  # three points: within, up to the last, down to the last
    "": "8,24 14,18 20,23 26,17 32,21",
    "H": "8,28 14,27 20,28 26,20 32,14",
    "L": "8,12 14,13 20,12 26,20 32,26",
}


def variation(icon: str | None, *, is_high: bool | None, words: str = "") -> html.Span | None:
    """The latest point's icon; H for a signal upwards, L downwards. None where no rule could be
    applied.
    """
    if icon not in VARIATION:
        return None
    colour, letter, text = VARIATION[icon]
    side = letter if letter is not None else {True: "H", False: "L", None: ""}[is_high]
    return _phrase(_drawing(colour, _WAVE[side], side), f"{text}{words}")


def assurance(icon: str | None) -> html.Span | None:
    """None where no target is set."""
    if icon not in ASSURANCE:
        return None
    colour, letter, text = ASSURANCE[icon]
    return _phrase(_drawing(colour, "", letter), text)


def _phrase(drawing: str, text: str) -> html.Span:
    source = "data:image/svg+xml," + quote(drawing)
    return html.Span(
        [html.Img(src=source, alt="", width=40, height=40), html.Span(text)], className="icon"
    )


def _drawing(colour: str, wave: str, letter: str) -> str:
    points = "".join(
        f'<circle cx="{x}" cy="{y}" r="2.4" fill="{colour}"/>'
        for x, y in (p.split(",") for p in wave.split())
    )
    line = (
        f'<polyline points="{wave}" fill="none" stroke="{colour}" stroke-width="1.4"/>'
        if wave
        else ""
    )
    place = (
        ("20", "27", "20")
        if not wave
        else (
            {"H": "13", "L": "13"}.get(letter, "20"),
            {"H": "18", "L": "33"}.get(letter, "27"),
            "13",
        )
    )
    text = (
        f'<text x="{place[0]}" y="{place[1]}" font-family="Helvetica, Arial, sans-serif" font-weight="700" '
        f'font-size="{place[2]}" text-anchor="middle" fill="{colour}">{letter}</text>'
        if letter
        else ""
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40">'
        f'<circle cx="20" cy="20" r="18" fill="#ffffff" stroke="{colour}" stroke-width="3"/>{line}{points}{text}</svg>'
    )

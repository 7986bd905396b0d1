"""Values as people read them: names of codes, numbers with their intervals, times.

Here: text from values. Not here: what a metric means (transforms/facts/catalogue).
"""

from datetime import date, datetime

from transforms.counting import spoken
from transforms.facts.catalogue import METRICS, PARAMETER_METRICS
from transforms.facts.responses import POPULATIONS
from transforms.facts.values import MASKED, NONE, ROUTINE, UNKNOWN

NOTHING = "\N{EN DASH}"
NOT_AN_EFFECT = "A before/after change is not an effect of the treatment."
_NAMES = {
    NONE: "none",
    UNKNOWN: "unknown",
    **{population.id: population.words for population in POPULATIONS.values()},
    "ancova": "ANCOVA",
    "mmrm": "MMRM",
    "risk_difference": "risk difference",
}


def name_of(code: str | None) -> str:
    """A code of a closed list in words: whole_body is Whole body."""
    if code is None:
        return NOTHING
    words = code.replace("_", " ").strip()
    return _NAMES.get(code) or words.capitalize()


def study(code: str) -> str:
    """A study by its id, which is its name to those who run it; routine care by its own name."""
    if code == ROUTINE:
        return "Routine care"
    return code


def arm(code: str) -> str:
    """An arm as the study names it; without one, and while arms are masked, that."""
    apart = {NONE: "no arm", MASKED: "arms are masked"}
    return apart.get(code) or name_of(code)


def number(value: float | None, digits: int = 2) -> str:
    """A number with its digits and a true minus; null is a dash."""
    if value is None:
        return NOTHING
    return f"{value:,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def short(value: float | None, digits: int = 2) -> str:
    """As many digits as it has, at most `digits`: 2.38, 2.5, 12."""
    text = number(value, digits)
    if "." not in text:
        return text
    return text.rstrip("0").rstrip(".")


def count(value: int | None) -> str:
    return number(value, 0)


def plural(n: int, thing: str) -> str:
    """1 event, 2 events."""
    if n == 1:
        return f"{count(n)} {thing}"
    return f"{count(n)} {thing}s"


def interval(
    estimate: float | None, lower: float | None, upper: float | None, *, digits: int = 2
) -> str:
    """`estimate (lower to upper)`; without limits the estimate alone, and it says so."""
    if estimate is None:
        return NOTHING
    if lower is None or upper is None:
        return f"{number(estimate, digits)} (no interval)"
    return f"{number(estimate, digits)} ({number(lower, digits)} to {number(upper, digits)})"


def percent(
    estimate: float | None, lower: float | None, upper: float | None, *, digits: int = 0
) -> str:
    """A proportion and its limits in per cent."""
    scaled = [None if v is None else 100 * v for v in (estimate, lower, upper)]
    if estimate is None:
        return NOTHING
    return interval(*scaled, digits=digits).replace(" (", " % (", 1)


def p_value(p: float | None) -> str:
    if p is None:
        return NOTHING
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def moment(at: datetime | None) -> str:
    """To the minute, UTC."""
    if at is None:
        return NOTHING
    return f"{at:%d %b %Y, %H:%M} UTC"


def second(at: datetime | None, *, has_zone: bool = True) -> str:
    """To the second, UTC."""
    if at is None:
        return NOTHING
    return f"{at:%d %b %Y, %H:%M:%S}" + (" UTC" if has_zone else "")


def duration(seconds: float | None) -> str | None:
    """Seconds in the unit that people would say; null stays null."""
    if seconds is None:
        return None
    return spoken(seconds)


def day(on: date | None) -> str:
    if on is None:
        return NOTHING
    return f"{on:%d %b %Y}"


def parameter_title(code: str) -> str:
    """A PARAMCD in words, without its statistic."""
    metric = PARAMETER_METRICS.get(code)
    return metric.title if metric else code


def better_is(code: str) -> str | None:
    """lower or higher, where one of them is better."""
    metric = PARAMETER_METRICS.get(code)
    if metric and metric.direction in ("lower", "higher"):
        return metric.direction
    return None


def metric_title(metric_id: str) -> str:
    metric = METRICS.get(metric_id)
    return metric.title if metric else metric_id

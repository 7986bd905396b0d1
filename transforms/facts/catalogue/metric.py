"""What a metric is.

Here: the record type, a rule in words with a site's own numbers, options on which metrics of
several files depend. Not here: any metric.
"""

from dataclasses import dataclass

from ...options import Options

TIME_AT_RISK_OPTIONS = (
    "risk_window_days",
    "episode_gap_days",
    "lost_after_days",
    "person_time_cut_h",
)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """`verification`: verified (source read or number reproduced), unverified (primary not
    checked), proposal.

    `parameters`: the options that the rule depends on; `{name}` in the rule stands for the value of
    one of them. `parameter`, `statistic`: of a statistic of one parameter (of adqs or adact, or an
    amount of sessions) which and of what.
    """

    id: str
    version: str
    title: str
    rule: str
    unit: str | None
    direction: str
    source: str
    verification: str
    parameters: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    parameter: str | None = None
    statistic: str | None = None

    def rule_by(self, options: Options) -> str:
        """The rule in words, with the site's own numbers."""
        return self.rule.format(
            **{name: _in_words(getattr(options, name)) for name in self.parameters}
        )


def _in_words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)

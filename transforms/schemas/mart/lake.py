"""Tables of `mart` about the figures themselves: alerts, check_results, metric_definitions,
metric_versions, restatements, data_dictionary.

Here: their columns. Not here: any figure.
"""

from ..base import Column, Json
from .columns import KEY, OPEN, SL, B, I, S, T, mart_table

ALERTS = mart_table(
    "alerts",
    "Open and closed alerts.",
    [
        Column("alert_id", S, "alert", required=True),
        Column("rule", S, "rule"),
        Column("severity", S, "severity"),
        Column("clinic_id", S, "clinic"),
        Column("subject_kind", S, "what it is about"),
        Column("subject_id", S, "its id"),
        Column("evidence", SL, "ids of events"),
        Column("occurred_at", T, "when"),
        Column("state", S, "state"),
        Column(
            "records",
            I,
            "of unreadable safety records, how many of its topic, reason and hour there are; null = another rule's",
        ),
    ],
    ("alert_id",),
)

CHECK_RESULTS = mart_table(
    "check_results",
    "One row a check and run: is the table as promised?",
    [
        Column("table", S, "table", required=True, outside=KEY),
        Column("check", S, "check", required=True, outside=KEY),
        Column("is_passed", B, "passed", required=True, outside=OPEN),
        Column("failing_rows", I, "rows that fail"),
        Column("rows", I, "rows checked"),
        Column("sample", Json, "a failing row's key"),
        Column("checked_at", T, "when", required=True),
        Column("lake_snapshot", I, "snapshot"),
    ],
    ("table", "check"),
)

METRIC_DEFINITIONS = mart_table(
    "metric_definitions",
    "One row a metric: what its number means and where that comes from.",
    [
        Column("metric_id", S, "id", required=True, outside=KEY),
        Column(
            "parameter",
            S,
            "what it is a statistic of: a parameter of mart.adqs or mart.adact, or an amount of sessions; null = no such",
            outside=OPEN,
        ),
        Column("statistic", S, "which statistic of the parameter; null = none", outside=OPEN),
        Column("version", S, "version", required=True, outside=KEY),
        Column("title", S, "title", required=True, outside=OPEN),
        Column("rule", S, "rule in words", required=True, outside=OPEN),
        Column(
            "estimand",
            S,
            "of whom, what, how an event between Day 1 and the visit counts by default, and the summary (ICH E9(R1)); null for what is no outcome at a visit",
            outside=OPEN,
        ),
        Column("unit", S, "unit", outside=OPEN),
        Column(
            "direction",
            S,
            "which direction is better",
            closed=("lower", "higher", "none"),
            outside=OPEN,
        ),
        Column("source", S, "source", required=True, outside=OPEN),
        Column(
            "verification",
            S,
            "verified: the source was read or the number reproduced; unverified: known, primary not checked; proposal: Floe's default, a setting",
            closed=("verified", "unverified", "proposal"),
            outside=OPEN,
        ),
        Column("parameters", Json, "thresholds and settings", outside=OPEN),
        Column("test_cases", SL, "tests that prove it", outside=OPEN),
        Column(
            "loinc",
            S,
            "LOINC code of the value; null where it has none of its own (a mean of a week, say)",
            outside=OPEN,
        ),
        Column("ucum", S, "UCUM unit that goes with the LOINC code", outside=OPEN),
    ],
    ("metric_id", "version"),
)

METRIC_VERSIONS = mart_table(
    "metric_versions",
    "One row a metric and version of its rule that figures were computed under: which were computed anew, and from when on.",
    [
        Column("metric_id", S, "metric of mart.metric_definitions", required=True, outside=KEY),
        Column("version", S, "version of its rule", required=True, outside=KEY),
        Column(
            "previous_version",
            S,
            "version that figures had before; null = not computed before",
            outside=OPEN,
        ),
        Column("rule", S, "rule in words", required=True, outside=OPEN),
        Column(
            "lake_snapshot",
            I,
            "snapshot of the lake of the first run under this version; null = of an earlier release",
        ),
        Column("data_cutoff", T, "data cut of that run"),
        Column("restated_at", T, "when that run began", outside=OPEN),
    ],
    ("metric_id", "version"),
)

REASONS = (
    "late",
    "corrected",
    "entered_in_error",
    "merged",
    "retracted",
    "definition",
    "setting",
    "code",
    "unknown",
)

RESTATEMENTS = mart_table(
    "restatements",
    "One row a release and figure that it has shown and that was changed afterwards by more than new data: kept for ever, followed until the next release.",
    [
        Column("release_id", I, "release that has shown the figure", required=True),
        Column("table", S, "summary that it is of", required=True),
        Column("figure", S, "key of its row there, as JSON", required=True),
        Column("metric_id", S, "metric of mart.metric_definitions"),
        Column("in_words", S, "which figure it is, of whom", required=True),
        Column("changed", SL, "columns that differ from what the release has shown", required=True),
        Column("published", Json, "row as of the release, exactly", required=True),
        Column("restated", Json, "row since restated_at; null = the figure is no more"),
        Column(
            "reasons",
            SL,
            "late: an event of before the release's data cut landed after it; corrected, entered_in_error, retracted: a record or series that it counted; merged: patients; definition: of the metric; setting, code: of Floe; unknown",
            required=True,
        ),
        Column(
            "events",
            Json,
            "reason -> topic -> how many events that touch the figure; new: those of after the release's data cut that came along",
            required=True,
        ),
        Column(
            "settings",
            Json,
            "setting that changed -> its value at the release and then; null = none",
        ),
        Column("because", S, "the same in a sentence", required=True),
        Column("first_restated_at", T, "when it first differed", required=True),
        Column("restated_at", T, "when it last changed for one of these reasons", required=True),
        Column("times", I, "runs that restated it", "count", required=True),
        Column("lake_snapshot", I, "snapshot of the lake of the last of them", required=True),
        Column("data_cutoff", T, "data cut of the last of them", required=True),
    ],
    ("release_id", "table", "figure"),
)

DATA_DICTIONARY = mart_table(
    "data_dictionary",
    "One row a table or view and column of the lake.",
    [
        Column("schema", S, "schema", required=True, outside=KEY),
        Column("table", S, "table or view", required=True, outside=KEY),
        Column("column", S, "column", required=True, outside=KEY),
        Column("position", I, "order", required=True, outside=OPEN),
        Column("type", S, "type", required=True, outside=OPEN),
        Column("unit", S, "unit", outside=OPEN),
        Column("is_key", B, "part of the key", required=True, outside=OPEN),
        Column("closed_list", SL, "the values it can have", outside=OPEN),
        Column("comment", S, "meaning", required=True, outside=OPEN),
        Column("table_comment", S, "the table's meaning", required=True, outside=OPEN),
    ],
    ("schema", "table", "column"),
)

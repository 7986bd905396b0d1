"""Nothing is promised that does not act: who reads each setting, column, topic and asset.

Here: each of them has a reader, but for those that `PROMISED` and `CONSENTS` declare; and mistakes
that are planted are seen. Not here: how a reader is found (who_reads.py), what nobody calls
(test_project.py).

A table that is made of most topics alike (the data cut, orphans, conflicts, what is implausible)
reads none of them: it would for any. Nor do the schemas, the simulator, the importers and what a
release makes of columns by their kind.
"""

from dataclasses import fields

import pytest

from ingest.settings import Settings
from orchestration.definitions import defs
from tests.who_reads import Module, module_of, modules, speaking_of
from transforms.options import Options
from transforms.schemas import (
    APP_TABLES,
    BOOKKEEPING,
    CORE_RECORDS,
    CORE_TABLES,
    MART_TABLES,
    TOPICS,
    Column,
    Table,
)
from transforms.schemas.app import RELEASED

# Name columns of whatever table, and read none
APART = (
    "transforms/schemas/",
    "ingest/simulate/",
    "ingest/importers/",
    "ingest/contract.py",
    "transforms/rules/plausible_fields.py",
    "transforms/rules/plausibility_rules.py",
    "transforms/rules/plausibility.py",
    "transforms/rules/plausible_series.py",
    "transforms/facts/catalogue/",
    "transforms/facts/parameters.py",
    "transforms/facts/responses.py",
    "transforms/released/as_released.py",
    "transforms/released/counts.py",
    "transforms/released/figures.py",
    "transforms/released/safety.py",
    "transforms/released/curves.py",
    "transforms/disclosure/withheld.py",
    "transforms/marts/__init__.py",
    "transforms/restating/figures.py",
    "transforms/restating/topics.py",
)
DATA_CUT = "core.data_cut"  # of the ledger, which is of every topic
CONSENTS = "consents"  # until it is decided who may see whose data, by what somebody consented to
_FIELD = "an optional field of the contract: kept as it was sent for whoever asks by SQL"
_FIELD_OF_EPISODE = "a row a treatment episode for whoever asks by SQL: the page shows the day"
_ADAM = "names and meaning as in ADaM, which statisticians' programs read"
_WHOSE = "who wrote a record down, a field of every event"
_RESULT = "a row a patient for whoever analyses patients: the contract promises what is in it"
_BESIDE = "stands beside the figure for whoever reads the mart by SQL"
_VERSION = (
    "which version of the metric's rule a figure has: the contract promises it in every summary"
)
_DAY = "what wear and cadence of a day were computed from, for whoever looks into it"
_CLASSES = "the page reads each class by its name in CHANGE_CLASSES"
_LAST = "the fields of ingest/last_record.py, which are read by their names there"
_WHEN = "when a book of Floe's own was written, for whoever looks into it"
_LISTED = "for people: a dictionary and a list of definitions are read as they are"

# Tables that nothing shows -> why
PROMISED_TABLES = {
    "mart.data_dictionary": "the contract promises it: every table and column, for whoever asks by SQL"
}
# Table -> (why nobody need read them here, columns)
PROMISED: dict[str, tuple[tuple[str, str], ...]] = {
    "core.activity_days": (
        ("a vendor's own total is never added to minutes, so that no mart uses it", "vendor_steps"),
        (_DAY, "day_length_h recorded_minutes wear_source"),
    ),
    "raw.ledger": ((_LAST, "last_leader_epoch last_checksum last_appended_at"),),
    "raw.stream_offsets": (
        (_LAST, "last_offset last_leader_epoch last_checksum last_appended_at"),
    ),
    "app.file_checksums": ((_WHEN, "recorded_at"),),
    "app.outdated_tables": ((_WHEN, "since"),),
    "core.devices": ((_FIELD, "firmware body_position"),),
    "core.studies": ((_FIELD, "stratification"), (_WHOSE, "recorded_by_role")),
    "core.study_enrolments": ((_WHOSE, "recorded_by_role"),),
    "core.patients": ((_FIELD, "pain_sites"),),  # baseline_covariates: what masking hides
    "core.episodes": ((_FIELD_OF_EPISODE, "last_session_at"),),
    "core.consults": ((_FIELD, "clearer_role"),),
    "core.screenings": ((_FIELD, "systolic_mmhg diastolic_mmhg screening_version"),),
    "core.courses": ((_FIELD, "prescriber_role"),),
    "core.sessions": ((_FIELD, "regions"),),
    "core.walking_bouts": ((_WHOSE, "recorded_by_role"),),
    "core.performance_tests": (
        (_FIELD, "test_id test_raw is_assisted"),
        (_WHOSE, "recorded_by_role"),
    ),
    "core.responses": ((_FIELD, "response_id instrument_version language mode"),),
    "core.adverse_events": ((_FIELD, "action_taken reviewed_at"),),
    "core.care": ((_FIELD, "kind_raw code_system"), (_WHOSE, "recorded_by_role")),
    "core.implausible": ((_LISTED, "against found"),),
    "mart.subject_episodes": ((_ADAM, "TRTEDT"),),
    "mart.adsl": ((_ADAM, "SUBJID TRT01A TRTEDT TRTEDTM"),),
    "mart.adqs": ((_ADAM, "PCHG RCREASON DTYPE NANSWERD NITEMS DAY1BASIS"), (_VERSION, "METRICV")),
    "mart.adtte": ((_ADAM, "PARAM CNSDTDSC"),),
    "mart.adact": ((_ADAM, "AVISITN PCHG DEVICEID WEARHRS CHGMDCFL"), (_VERSION, "METRICV")),
    "mart.adex": ((_ADAM, "PROTOCOL DEVICEID SETPNTC SKINPREC SKINPSTC HRSPREV CUMSESS CUMDURS"),),
    "mart.adae": (
        (
            _ADAM,
            "AELOC AEITOXGR AEEXPFL AEASCERT ASTDTF ADURN AOCCFL AOCCPFL AOCCIFL AWAREDTM RPTDTM",
        ),
    ),
    "mart.patient_outcomes": (
        (
            _RESULT,
            "age_years is_responder_30_pct is_responder_50_pct is_responder_points is_worse sessions_delivered "
            "sessions_prescribed adherence_ratio protocol_deviations sessions_not_cleared serious_adverse_events "
            "valid_wear_days mean_wear_h",
        ),
    ),
    "mart.cohort_outcomes": ((_BESIDE, "missing_rule median_day rtm_source"),),
    "mart.adverse_event_rates": (
        (
            _BESIDE,
            "session_window_time_share patients_with_event_planned incidence_proportion_planned "
            "eair_per_100_patient_years_planned",
        ),
    ),
    "mart.clinic_funnel": ((_BESIDE, "asked_share tail_probability tail_probability_at_target"),),
    "mart.device_event_rates": ((_BESIDE, "sessions_without_duration"),),
    "mart.dose_response": ((_BESIDE, "is_causal"),),
    "mart.important_change": ((_BESIDE, "n_changes"),),
    "mart.reliable_change": (
        (_CLASSES, "recovered deteriorated n_recovered n_unchanged n_deteriorated"),
    ),
    "mart.adverse_event_comparisons": ((_BESIDE, "stratified_by"),),
    "mart.metric_definitions": ((_LISTED, "test_cases loinc estimand"),),
    "mart.data_dictionary": ((_LISTED, "position type is_key closed_list comment table_comment"),),
}
# Facts that a table's columns are named by, and that read other tables
_NAMED_BY = {"mart.adex": ("transforms/facts/sessions.py",)}
_MADE_BY = {
    "core.activity_days": "transforms/series/activity.py",
    "core.walking_days": "transforms/series/mobility.py",
    "core.telemetry_sessions": "transforms/series/telemetry.py",
}
_EVERY_SUMMARY = {"metric_version"}

TABLES = {
    t.full_name: t
    for t in (
        *CORE_TABLES.values(),
        *MART_TABLES.values(),
        *BOOKKEEPING,
        *(table for table in APP_TABLES.values() if table not in RELEASED.values()),
    )
    if t.full_name != f"core.{CONSENTS}"
}


def promised(full_name: str) -> set[str]:
    return {column for _, columns in PROMISED.get(full_name, ()) for column in columns.split()}


# --- settings -----------------------------------------------------------------------------------


def unread_settings(names, among: dict[str, Module]) -> set[str]:
    """Settings that no module takes from its settings or options; an option may be named by a
    record that says which one it means (`points_option="odi_points"`), but not by the definitions
    of metrics, which only tell of it.
    """
    told = (
        "transforms/facts/catalogue/",
        "transforms/facts/parameter_metrics.py",
        "ingest/settings.py",
        "transforms/options.py",
    )
    readers = [m for m in among.values() if not m.path.startswith(told)]
    options = {f.name for f in fields(Options)}
    own = among["ingest/settings.py"]
    return {
        name
        for name in names
        if not any(name in m.settings for m in among.values())
        and name not in own.words
        and not (name in options and any(m.reads(name) for m in readers))
    }


def test_every_setting_is_read():
    """Each FLOE_ variable decides something: a module takes it from the settings."""
    assert unread_settings(Settings.model_fields, modules()) == set()


# --- columns ------------------------------------------------------------------------------------


def unread_columns(table: Table, among: dict[str, Module]) -> set[str]:
    """Columns that no module looks up which speaks of the table; a mart's own module makes them, it
    does not read them.
    """
    made_by = _MADE_BY.get(table.full_name, f"transforms/marts/{table.name}.py")
    apart = (*APART, made_by, *_NAMED_BY.get(table.full_name, ()))
    readers = speaking_of(table.name, among, apart=apart)
    if table.full_name.startswith("core.") and table.name in CORE_RECORDS:
        readers.append(
            among["transforms/records/current.py"]
        )  # which of a record's revisions counts
    return {c.name for c in table.columns if not any(m.reads(c.name) for m in readers)}


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_column_is_read_or_promised(name):
    """A column of a table that people or Floe read is used by a page, a verb, an alert or another
    table, or it is declared, with the reason. A declaration of what is read, or is no column, is
    out of date.
    """
    table = TABLES[name]
    given = promised(name) | (_EVERY_SUMMARY & set(table.names))
    assert unread_columns(table, modules()) == given


# --- topics and assets --------------------------------------------------------------------------


def edges() -> dict[str, set[str]]:
    """Each asset of the graph and what it is made of, by full name (`core.sessions`)."""
    graph = defs.resolve_asset_graph()

    def name(key) -> str:
        return ".".join(key.path)

    return {
        name(key): {name(k) for k in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }


def sweeping(graph: dict[str, set[str]]) -> set[str]:
    """Assets that are made of most topics alike: as raw tables, as tables of records, or as
    topics.
    """
    alike = [{f"raw.{t.name}" for t in TOPICS}, {f"core.{n}" for n in CORE_RECORDS}]
    alike.append({n for n in graph if n.startswith("kafka.")})
    made = {name: parents for name, parents in graph.items() if not name.startswith("mart.")}
    alone = {
        name
        for name, parents in made.items()
        if any(len(parents & group) > len(group) / 2 for group in alike)
    }
    return alone | {DATA_CUT}


def unread_topics(graph: dict[str, set[str]]) -> set[str]:
    """Topics that no mart is made of once what sweeps is left out, the data cut first of all."""
    left_out = sweeping(graph)
    above = set()
    waiting = [name for name in graph if name.startswith("mart.") and name not in left_out]
    while waiting:
        new = graph.get(waiting.pop(), set()) - left_out - above
        above |= new
        waiting += new
    return {name.removeprefix("raw.") for name in graph if name.startswith("raw.")} & {
        t.name for t in TOPICS
    } - {name.removeprefix("raw.") for name in above}


def test_every_topic_is_read():
    """Each topic is above some mart by more than the tables that are made of all topics; consents
    are the one exception.
    """
    assert unread_topics(edges()) == {CONSENTS}


def test_what_is_left_out_is_there():
    """A module or folder that was moved is no longer left out unseen, nor is one that makes a
    table.
    """
    paths = list(modules())
    gone = [
        start
        for start in (*APART, *_MADE_BY.values())
        if not any(path.startswith(start) for path in paths)
    ]
    assert gone == []


def test_the_data_cut_tells_no_topic_apart():
    """What every mart hangs on is left out, as are the lists that hold records of every topic."""
    assert {"core.data_cut", "core.conflicts", "core.implausible", "core.orphans"} <= sweeping(
        edges()
    ) | {"core.data_cut"}
    assert "raw.ledger" in sweeping(edges())


def unread_assets(graph: dict[str, set[str]], among: dict[str, Module]) -> set[str]:
    """Tables of core and mart that no other table is made of (a release holds what there is) and no
    module but their own names, the registries apart.
    """
    made_of = {p for name, parents in graph.items() if not name.startswith("app.") for p in parents}
    unread = {name for name in graph if name.startswith(("core.", "mart.")) and name not in made_of}
    for name in sorted(unread):
        table = name.split(".")[1]
        own = f"transforms/marts/{table}.py"
        readers = [m for m in among.values() if table in m.words or table.upper() in m.constants]
        if any(m.path != own and not m.path.startswith(APART) for m in readers):
            unread.discard(name)
    return unread


def test_every_asset_is_read():
    """Each table that is computed is one that another is made of, or a page, a verb or an alert
    shows; but consents.
    """
    assert unread_assets(edges(), modules()) - {f"core.{CONSENTS}"} == set(PROMISED_TABLES)


# --- mistakes that are planted ------------------------------------------------------------------


def test_an_unread_setting_is_seen():
    """A setting that only its definition and a metric's text name; and one that is taken, not from
    the settings.
    """
    among = modules() | {
        "transforms/facts/catalogue/safety.py": module_of(
            "M = Metric(parameters=('shoe_size',))", path="transforms/facts/catalogue/safety.py"
        ),
        "ingest/other.py": module_of("x = lake.cellar", path="ingest/other.py"),
    }
    assert unread_settings(["shoe_size", "cellar", "home"], among) == {"shoe_size", "cellar"}
    among["ingest/other.py"] = module_of(
        "def f(settings):\n    return settings.cellar", path="ingest/other.py"
    )
    assert unread_settings(["cellar"], among) == set()


def test_an_unread_column_is_seen():
    """A column that the schema, a comment, a docstring or a message names, or that a module of
    another table looks up.
    """
    table = MART_TABLES["device_events"]
    with_one = Table(
        "mart", table.name, "", (*table.columns, Column("shoe_size", str, "")), table.key
    )
    before = unread_columns(table, modules())
    for source in (
        '"""Of device_events: shoe_size."""',
        'x = ("device_events", "the shoe_size is not known")',
        'x = reader.mart("adae")["shoe_size"]',
        'rows = reader.mart("device_events").with_columns(shoe_size=1)',
    ):
        among = modules() | {"dashboards/x.py": module_of(source, path="dashboards/x.py")}
        assert unread_columns(with_one, among) - before == {"shoe_size"}, source
    for source in (
        'x = reader.mart("device_events")["shoe_size"]',
        "x = sql('SELECT shoe_size FROM mart.device_events')",
        'x = reader.mart("device_events")[f"{what}_size"]',
    ):
        among = modules() | {"dashboards/x.py": module_of(source, path="dashboards/x.py")}
        assert unread_columns(with_one, among) == before, source


@pytest.mark.parametrize(
    "through", ["core.data_cut", "core.implausible", "core.orphans", "core.conflicts"]
)
def test_an_unread_topic_is_seen(through):
    """A topic that is landed, made a table of core, and listed with all others, is read by
    nobody.
    """
    graph = edges()
    graph |= {"raw.deficiencies": set(), "core.deficiencies": {"raw.deficiencies"}}
    graph = {n: parents - {"core.deficiencies"} for n, parents in graph.items()}
    graph[through] = graph[through] | {"core.deficiencies", "raw.deficiencies"}
    assert unread_topics(graph) == {CONSENTS, "deficiencies"}


def test_an_unread_asset_is_seen():
    """A mart that no page names, though a release holds it: as adverse events by body system
    were.
    """
    graph = edges() | {"mart.shoe_sizes": {"mart.adsl"}}
    graph["app.releases"] = graph["app.releases"] | {"mart.shoe_sizes"}
    assert "mart.shoe_sizes" in unread_assets(graph, modules())

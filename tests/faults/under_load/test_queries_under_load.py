"""While ingest runs at full speed, the lake answers.

Here: queries, pages' reads and a materialisation beside ingest, each in its own process or thread.
Not here: what comes out of it (test_simulated_clinics.py), how fast ingest is (tests/benchmarks).
"""

import pytest

pytestmark = pytest.mark.timeout(900)  # whoever comes first waits for the whole load


def test_no_query_fails(busy):
    """Every query was answered, by a lake opened for it (as `floe sql` does) or kept open (as a
    page does).
    """
    assert busy.asking.failures == []
    assert all(len(counts) >= 2 for counts in busy.asking.counts.values())
    assert all(busy.asking.answers[name] >= 2 for name in busy.asking.PAGES)


def test_counts_never_fall(busy):
    """Rows only come: what one query saw, a later one sees too; and they came while people
    asked.
    """
    for counts in busy.asking.counts.values():
        assert counts == sorted(counts)
    ledger = busy.asking.counts[busy.asking.QUERIES[0]]
    assert ledger[-1] > ledger[0]


def test_materialisation_beside_ingest(busy):
    """Core and mart were computed while records landed, and ingest went on until it was told to
    stop.
    """
    assert busy.during[1] == 0, busy.during[0]
    assert "materialised" in busy.during[0]
    assert busy.ingest[1] == 0, busy.ingest[0]
    assert "landed" in busy.ingest[0]


def test_every_record_is_there_once(busy, sent):
    """All records and their copies landed or were set aside, none lost, none twice."""
    with busy.lake() as lake:
        ledger = lake.sql(
            "SELECT sum(rows + rejects)::BIGINT AS n FROM raw.ledger WHERE kafka_topic <> 'floe.alerts.v1'"
        )
        [rejects] = lake.sql("SELECT count(*) AS n FROM raw.rejects")["n"]
    assert ledger["n"].to_list() == [sent.truth.records + busy.sent_again]
    assert rejects == len(sent.truth.broken)

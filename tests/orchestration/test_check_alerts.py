"""What `floe alerts check` says at its end.

Here: the last sentence. Not here: what is to mend (tests/ingest/alerting/test_trying.py).
"""

from datetime import UTC, datetime

import pytest

from ingest.alerting.book import Book
from ingest.alerting.book_file import book_path
from ingest.settings import Settings
from orchestration.alerts import check_alerts
from transforms.errors import FloeError


@pytest.mark.parametrize(
    ("send", "expected"),
    [
        (False, "1 thing to mend: see above"),
        (True, "1 thing to mend and 0 of 1 test deliveries not taken: see above"),
    ],
)
def test_a_trial_that_was_not_made_is_not_counted(tmp_path, send, expected):
    """The thing to mend: somebody renamed a sink, and a delivery waits for the old name."""
    duty = tmp_path / "duty.toml"
    duty.write_text(f"[[sinks]]\nname = 'list'\nkind = 'file'\npath = '{tmp_path}/list'")
    settings = Settings(home=tmp_path, alerts=str(duty))
    with Book(book_path(settings)) as book:
        book.put("old", "d", {}, in_order_of="a", now=datetime.now(UTC))
    with pytest.raises(FloeError) as caught:
        check_alerts(settings, send=send)
    assert str(caught.value) == expected

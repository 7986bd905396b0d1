"""What tests of alerting share. Here: a running receiver. Not here: what it answers
(tests/receivers.py).
"""

from collections.abc import Iterator

import pytest

from tests.receivers import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.start()
    yield receiver
    receiver.stop()

"""Answers that are kept until what they were made of changes; the latest asked for stay.

Here: a store that threads share. Not here: what an answer depends on (versions.py), asking
(reader.py).
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

_MOST_ANSWERS = 256


@dataclass
class KeptAnswer:
    """`version`: of what the answer was made of."""

    version: Any
    value: Any
    made_at: float = field(default_factory=time.monotonic)

    def is_younger_than(self, max_age_s: float) -> bool:
        return time.monotonic() - self.made_at < max_age_s


class KeptAnswers:
    """Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[Any, KeptAnswer] = OrderedDict()

    def get(self, key: Any) -> KeptAnswer | None:
        """Whatever its version; asked for, it stays longer."""
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
            return self._answers.get(key)

    def put(self, key: Any, version: Any, value: Any) -> None:
        with self._lock:
            self._answers[key] = KeptAnswer(version, value)
            while len(self._answers) > _MOST_ANSWERS:
                self._answers.popitem(last=False)

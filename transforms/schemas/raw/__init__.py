"""The topics' data and the tables of `raw`: what arrived, as it arrived.

Here: what others use of them; a module a family. Not here: the envelope's rules and decoding (ingest/contract.py, ingest/decode.py).
"""

from .bookkeeping import BOOKKEEPING, LAST_RECORD, LEDGER, REJECT_HOURS, REJECTS, STREAM_OFFSETS
from .fields import CORRECTION, INDICATIONS, MODALITIES, SAFETY_TOPICS, Topic
from .tables import ENVELOPE, EXTRA, RAW_TABLES, data_columns
from .topics import TOPIC_BY_NAME, TOPICS

__all__ = [
    "BOOKKEEPING",
    "CORRECTION",
    "ENVELOPE",
    "EXTRA",
    "INDICATIONS",
    "LAST_RECORD",
    "LEDGER",
    "MODALITIES",
    "RAW_TABLES",
    "REJECTS",
    "REJECT_HOURS",
    "SAFETY_TOPICS",
    "STREAM_OFFSETS",
    "TOPICS",
    "TOPIC_BY_NAME",
    "Topic",
    "data_columns",
]

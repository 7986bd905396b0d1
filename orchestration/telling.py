"""Words to whoever looks at the terminal: without secrets, and nothing in them acts.

Here: `tell`, for every sentence that the verbs print. Not here: rows (printing.py), errors
(cli.py).
"""

import sys
from typing import TextIO

from ingest.secrecy import hidden
from transforms.plain_text import visible


def tell(text: object, *, file: TextIO | None = None) -> None:
    print(visible(hidden(text)), file=file or sys.stdout)

"""Every error that Floe raises on purpose; the command line turns each into one sentence and an
exit code.

    FloeError                 1  something else went wrong
    ├── UsageError            2  wrong usage, or values a function can't take
    ├── UnreadableFile        2  a file that can't be read as what it should be
    ├── Missing               3  something needed is not there
    │   ├── BrokerMissing     3  no Kafka answers
    │   ├── CatalogMissing    3  the lake's catalog can't be opened
    │   │   └── LakeOutdated  3  another release wrote it: it is to be brought forward first
    │   ├── HomeReadOnly      3  the home can be read, not written
    │   ├── FilesMissing      3  the lake's files can't be reached
    │   ├── PortInUse         3  another process listens there
    │   └── DiskFull          3  no space left
    ├── LakeDamaged           1  a file of the lake is not what was written
    │   └── CatalogDamaged    1  the lake's catalog is not what was written
    ├── CheckFailed           1  a table's new rows are not what its schema promises: they were not stored
    ├── LandingConflict       1  another worker moved the offsets: nothing of this batch was written
    └── LogsParted            1  Kafka's log is not the one that landed: a person chooses how to go on

Here: the tree. Not here: bad data, which is a value (a reject, a reason), never an exception.
A message says what was found, what was expected and what to do.
"""


class FloeError(Exception):
    exit_code = 1


class UsageError(FloeError, ValueError):
    exit_code = 2


class UnreadableFile(FloeError):
    exit_code = 2


class Missing(FloeError):
    exit_code = 3


class BrokerMissing(Missing):
    pass


class CatalogMissing(Missing):
    pass


class LakeOutdated(CatalogMissing):
    pass


class HomeReadOnly(Missing):
    pass


class FilesMissing(Missing):
    pass


class PortInUse(Missing):
    pass


class DiskFull(Missing):
    pass


class LakeDamaged(FloeError):
    pass


class CatalogDamaged(LakeDamaged):
    pass


class LandingConflict(FloeError):
    pass


class CheckFailed(FloeError):
    pass


class LogsParted(FloeError):
    pass

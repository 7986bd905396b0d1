"""The small lake of this folder's tests. Here: its fixtures. Not here: its rows (small_lake.py)."""

import pytest

from dashboards.reader import Reader
from ingest.settings import Settings
from tests.dashboards.small_lake import fill


@pytest.fixture(scope="session")
def lake_home(tmp_path_factory):
    home = tmp_path_factory.mktemp("dashboards") / "home"
    fill(Settings(home=home, kafka_bootstrap="127.0.0.1:1"))
    return home


@pytest.fixture(scope="session")
def clinic_settings(lake_home) -> Settings:
    """A port where no broker listens: the pages say that they do not know the lag."""
    return Settings(home=lake_home, kafka_bootstrap="127.0.0.1:1", viewer_role="clinic")


@pytest.fixture(scope="session")
def staff(clinic_settings):
    reader = Reader(clinic_settings)
    yield reader
    reader.close()


@pytest.fixture(scope="session")
def outsider(clinic_settings):
    reader = Reader(clinic_settings.model_copy(update={"viewer_role": "outside"}))
    yield reader
    reader.close()

"""What the README promises, run as it stands there.

Here: the recipe for reading the lake without Floe, the verbs. Not here: `make demo`
(tests/orchestration).
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from ingest.lake import Lake
from ingest.lake_attach import attach_recipe
from ingest.settings import Settings
from orchestration.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_recipe_reads_the_lake_beside_a_writer(tmp_path, monkeypatch):
    """The README's Python block, run by a plain interpreter beside the home, while the lake is open
    to write.
    """
    [recipe] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    settings = Settings(home=Path(".floe"), kafka_bootstrap="", catalog="", data="")
    assert recipe == attach_recipe(settings).replace(f"{tmp_path}/", "")
    with Lake.open(settings):
        done = subprocess.run(
            [sys.executable, "-c", recipe],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
    assert done.returncode == 0, done.stderr
    assert "kafka_topic" in done.stdout


@pytest.mark.parametrize("verb", sorted(get_command(app).commands))
def test_every_verb_is_in_the_readme(verb):
    """A verb that nobody is told of is not there."""
    assert f"`floe {verb}" in README or f"`floe {verb}`" in README


def test_every_figure_of_the_readme_is_there():
    """A picture that a page links to exists."""
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (ROOT / picture).exists(), picture

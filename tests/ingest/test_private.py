"""A home is its owner's alone, whatever the umask; an open one is closed, and how open it was is
said.
"""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.private import Openness, close_to_others, make_home, share_like
from ingest.settings import Settings
from orchestration.doctor import examine

ROOT = Path(__file__).parents[2]


def settings_of(home: Path, **more) -> Settings:
    return Settings(home=home, kafka_bootstrap="127.0.0.1:1", **more)


def open_paths(folder: Path) -> list[Path]:
    """What group or others can use, links apart: they have no rights of their own."""
    every = [folder, *folder.rglob("*")]
    return [path for path in every if not path.is_symlink() and path.stat().st_mode & 0o077]


def floe(home: Path, *words: str, umask: int) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "orchestration.cli", *words],
        cwd=ROOT,
        env=os.environ | {"FLOE_HOME": str(home), "FLOE_KAFKA_BOOTSTRAP": "127.0.0.1:1"},
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("umask", [0, 0o022])
def test_what_a_verb_makes_is_its_users_alone(tmp_path, umask):
    """The lake, its catalog and its files are made 0600 and folders 0700, whatever the umask."""
    home = tmp_path / "home"
    done = floe(home, "upkeep", umask=umask)
    assert done.returncode == 0, done.stderr
    assert (home / "lake" / "catalog.sqlite").exists()
    assert open_paths(home) == []


def test_doctor_says_how_many_were_open_and_mends_them(tmp_path):
    """5 of 6 are open: the folder and what is in it but one file; afterwards none is, and doctor
    says that too.
    """
    home = tmp_path / "home"
    (home / "lake").mkdir(parents=True)
    for name, mode in (("catalog.sqlite", 0o644), ("data.parquet", 0o666), ("closed", 0o600)):
        (home / "lake" / name).touch()
        (home / "lake" / name).chmod(mode)
    (home / "lake" / "tool").touch(mode=0o755)
    home.chmod(0o755)
    (home / "lake").chmod(0o755)
    first, second = (
        next(f for f in examine(settings_of(home)) if f.name == "privacy") for _ in range(2)
    )
    assert first.found.startswith(
        "5 of them were open to other users of this machine and are mended: 6 files"
    )
    assert first.remedy is None
    assert open_paths(home) == []
    assert stat.S_IMODE((home / "lake" / "tool").stat().st_mode) == 0o700
    assert second.found == "6 files and folders are yours alone (0600 and 0700)"


def test_doctor_says_that_the_keys_lie_beside_what_they_lock(tmp_path):
    """With a SQLite catalog and files on this machine; without encryption there is nothing
    locked.
    """
    found = {f.name: f for f in examine(settings_of(tmp_path))}
    assert "the keys lie in" in found["keys"].found
    assert not found["keys"].is_needed
    plain = {f.name: f for f in examine(settings_of(tmp_path, encrypt=False))}
    assert "not encrypted" in plain["keys"].found


def test_links_are_not_followed(tmp_path):
    """What a link leads to is not the home's: it stays as it is."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    (elsewhere / "file").touch(mode=0o644)
    home.mkdir(mode=0o700)
    (home / "link").symlink_to(elsewhere)
    (home / "file").symlink_to(elsewhere / "file")
    assert close_to_others(settings_of(home)) == Openness(looked_at=1, n_open=0)
    assert stat.S_IMODE((elsewhere / "file").stat().st_mode) == 0o644


def test_the_lakes_places_elsewhere_are_closed_too(tmp_path):
    """Files and catalog that settings put beside the home hold the same."""
    data, catalog = tmp_path / "data", tmp_path / "c.sqlite"
    data.mkdir(mode=0o755)
    (data / "rows.parquet").touch(mode=0o644)
    catalog.touch(mode=0o644)
    found = close_to_others(
        settings_of(tmp_path / "home", data=str(data), catalog=f"sqlite:{catalog}")
    )
    assert found == Openness(looked_at=3, n_open=3)
    assert not [p for p in (data, data / "rows.parquet", catalog) if p.stat().st_mode & 0o077]


def test_a_folder_of_other_things_is_left_and_said(tmp_path, monkeypatch):
    """Where FLOE_HOME is the user's own home folder, Floe takes nothing from anybody, and doctor
    asks for another.
    """
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "letter").touch(mode=0o644)
    tmp_path.chmod(0o755)
    make_home(settings_of(tmp_path))
    assert close_to_others(settings_of(tmp_path)).left == (tmp_path,)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "letter").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("mode", "of_folder", "of_file"),
    [(0o755, 0o755, 0o644), (0o750, 0o750, 0o640), (0o700,) * 2 + (0o600,)],
)
def test_a_cache_is_as_open_as_its_folder(tmp_path, mode, of_folder, of_file):
    """Downloads hold no secret: who may read the cache's folder may read them."""
    jars = tmp_path / "cache" / "kafka" / "jars"
    old = os.umask(0o077)
    try:
        jars.mkdir(parents=True)
        (jars / "a.jar").touch()
    finally:
        os.umask(old)
    (tmp_path / "cache").chmod(mode)
    share_like(tmp_path / "cache", folders=[jars])
    found = [stat.S_IMODE(p.stat().st_mode) for p in (jars.parent, jars, jars / "a.jar")]
    assert found == [of_folder, of_folder, of_file]

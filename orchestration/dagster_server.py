"""Dagster on this machine: its pages behind the guard, its daemon, and the process that holds
Floe's definitions.

Here: starting and stopping the three, and what the guard lets through. Not here: definitions, the
guard's rules (ingest/guard.py). `dagster dev` does the same with a web server that answers any page
that the user opens elsewhere: no sign-in, any Host, mutations by plain GET, sockets from foreign
origins.
"""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import uvicorn
import yaml
from dagster._cli.proxy_server_manager import ProxyServerManager
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget, WorkspaceFileTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.version import __version__

from ingest.guard import HEADERS, Doors, Guard
from ingest.web_server import configured
from transforms.errors import FloeError

from .dagster_home import prepare_dagster_home

_DEFINITIONS = "orchestration.definitions"
_LOOK_S = 1.0
_LONGEST_FOLDER = 80  # characters: the name of a socket has at most 107
_DAEMON_WAIT_S = 15
# What Dagster's own web server gives its database: milliseconds a statement, seconds a connection,
# connections more.
_DATABASE_LIMITS = (15_000, 3_600, 20)
_POLL_MS = 2_000
# GraphQL by POST does all that its pages do. Not there: notebooks (any .ipynb of the machine), and
# events of assets that no run of Floe made.
_DOORS = Doors(
    posts=frozenset({"/graphql"}),
    sockets=frozenset({"/graphql"}),
    without_query=frozenset({"/graphql"}),
    closed=(
        "/notebook",
        "/dagit",
        "/report_asset_materialization",
        "/report_asset_check",
        "/report_asset_observation",
    ),
    headers=HEADERS | {"Content-Security-Policy": "frame-ancestors 'none'"},
)


def serve(settings) -> None:
    """Serves on 127.0.0.1 until told to stop. FloeError where the daemon ends before."""
    home = prepare_dagster_home(settings)
    os.environ["DAGSTER_HOME"] = str(home)
    with ExitStack() as parts:
        parts.enter_context(_sockets(home / "run"))
        instance = parts.enter_context(dg.DagsterInstance.get())
        instance.optimize_for_webserver(*_DATABASE_LIMITS)
        workspace = parts.enter_context(_definitions(instance))
        daemon = parts.enter_context(_daemon(workspace))
        server = uvicorn.Server(
            configured(
                parts.enter_context(
                    _application(instance, workspace, is_read_only=is_read_only(settings))
                ),
                port=settings.dagster_port,
            )
        )
        _stop_with(daemon, server)
        server.run()
        if (code := daemon.poll()) is not None:
            raise FloeError(
                f"Dagster's daemon ended with code {code}, and its pages with it: start it again"
            )


def is_read_only(settings) -> bool:
    """Whether Dagster's pages show and change nothing: asked for, or readers from outside the
    clinic.
    """
    return settings.dagster_read_only or settings.viewer_role == "outside"


def guarded(app) -> Guard:
    """Dagster's web application behind its doors."""
    return Guard(app, _DOORS)


@contextmanager
def _application(
    instance: dg.DagsterInstance, workspace: Path, *, is_read_only: bool
) -> Iterator[Guard]:
    with WorkspaceProcessContext(
        instance,
        version=__version__,
        read_only=is_read_only,
        workspace_load_target=WorkspaceFileTarget(paths=[str(workspace)]),
        code_server_log_level="WARNING",
    ) as context:
        yield guarded(
            create_app_from_workspace_process_context(context, live_data_poll_rate=_POLL_MS)
        )


@contextmanager
def _sockets(folder: Path) -> Iterator[None]:
    """Where Dagster makes the sockets by which its processes talk: a folder that nobody else can
    enter.
    """
    with ExitStack() as until_the_end:
        if len(str(folder)) > _LONGEST_FOLDER:
            folder = Path(until_the_end.enter_context(TemporaryDirectory(prefix="floe-")))
        folder.mkdir(exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
        yield


@contextmanager
def _definitions(instance: dg.DagsterInstance) -> Iterator[Path]:
    """The process that holds the definitions, on a socket of this user's alone; the file that says
    where.
    """
    target = ModuleTarget(
        module_name=_DEFINITIONS, attribute=None, working_directory=None, location_name=None
    )
    with ProxyServerManager(instance, target, code_server_log_level="WARNING") as servers:
        file = Path(os.environ["DAGSTER_HOME"]) / "workspace.yaml"
        file.write_text(
            yaml.safe_dump({"load_from": [dict(spec) for spec in servers.get_code_server_specs()]})
        )
        yield file


@contextmanager
def _daemon(workspace: Path) -> Iterator[subprocess.Popen]:
    """Sensors, schedules and the queue of runs."""
    command = [
        sys.executable,
        "-m",
        "dagster._daemon",
        "run",
        "--log-level",
        "warning",
        "--workspace",
        str(workspace),
    ]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_DAEMON_WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _stop_with(daemon: subprocess.Popen, server: uvicorn.Server) -> None:
    """The server ends when the daemon does, so that whoever started both can see it."""

    def watch() -> None:
        while not server.should_exit and daemon.poll() is None:
            threading.Event().wait(_LOOK_S)
        server.should_exit = True

    threading.Thread(target=watch, name="daemon", daemon=True).start()

"""The engine `ray`: tasks on a Ray cluster, or on one that is started on this machine for the run.

Here: what must be so before it starts, the connection, the tasks. Not here: what they compute.

Ray runs whatever it is sent, as its user: whoever reaches a cluster has all that its machines have.
So nothing is started or joined without the token but on this machine itself.
"""

import importlib.metadata
import ipaddress
import os
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from transforms.errors import Missing, UsageError

_SINCE = (2, 52)  # the first with a token
_TOKEN, _TOKEN_FILE = "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
_OBJECTS_BYTES = 1 << 30  # frames on their way, of a cluster for one run; more spill to disk
_RETRIES = 3  # of a task whose worker or machine is lost


def require_usable(settings) -> None:
    """Missing without Ray or the token's file; UsageError with a Ray that knows no token, and without a
    token where the cluster is on another machine.
    """
    try:
        version = importlib.metadata.version("ray")
    except importlib.metadata.PackageNotFoundError:
        raise Missing(
            "FLOE_ENGINE is ray, and Ray is not installed: pip install 'floe[ray]', or FLOE_ENGINE=local"
        ) from None
    if tuple(int(part) for part in version.split(".")[:2]) < _SINCE:
        least = ".".join(str(part) for part in _SINCE)
        raise UsageError(
            f"found Ray {version}, expected {least} or newer, which asks for a token: pip install 'floe[ray]'"
        )
    if settings.ray_token_file and not Path(settings.ray_token_file).is_file():
        raise Missing(f"FLOE_RAY_TOKEN_FILE names {settings.ray_token_file}, which is no file")
    if not _has_token(settings) and not is_loopback(settings.ray_address):
        raise UsageError(
            f"FLOE_RAY_ADDRESS is {settings.ray_address}, another machine, and there is no token: whoever reaches a cluster "
            "without one runs what they like on it. Make one (ray get-auth-token --generate), start each machine of the cluster "
            "with RAY_AUTH_MODE=token and the token in RAY_AUTH_TOKEN_PATH, and name its file here in FLOE_RAY_TOKEN_FILE"
        )


def is_loopback(address: str) -> bool:
    """Whether it is on this machine alone; an empty one is. A name may lead anywhere, but for localhost."""
    host = address.rpartition(":")[0].strip("[]")
    if not address or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _has_token(settings) -> bool:
    return bool(settings.ray_token_file) or any(os.environ.get(n) for n in (_TOKEN, _TOKEN_FILE))


@contextmanager
def cluster(settings) -> Iterator[Callable]:
    """The seam's `map` by Ray's tasks, until the connection is closed."""
    require_usable(settings)
    os.environ |= _environment(settings)
    import ray  # reads its environment now

    own = {} if settings.ray_address else _of_this_run(settings)
    try:
        ray.init(
            address=settings.ray_address or "local",
            log_to_driver=False,
            logging_level="ERROR",
            **own,
        )
        yield partial(_map, ray)
    except (ray.exceptions.AuthenticationError, ConnectionError) as error:
        raise UsageError(
            f"no Ray cluster at {settings.ray_address} let this run in ({str(error).splitlines()[0]}): is it there, and does "
            "FLOE_RAY_TOKEN_FILE hold the token with which it was started?"
        ) from error
    finally:
        ray.shutdown()


def _environment(settings) -> dict[str, str]:
    """Ray's own variables: the token on wherever there is one, nothing sent to its makers."""
    said = {"RAY_USAGE_STATS_ENABLED": "0"}
    if settings.ray_token_file:
        said[_TOKEN_FILE] = str(Path(settings.ray_token_file).absolute())
    elif not settings.ray_address and not _has_token(settings):
        said[_TOKEN] = secrets.token_hex(32)  # of a cluster that ends with the run
    if said.keys() & {_TOKEN, _TOKEN_FILE} or _has_token(settings):
        said["RAY_AUTH_MODE"] = "token"
    return said


def _of_this_run(settings) -> dict[str, Any]:
    """A cluster of this machine alone. What does not fit into memory spills under the home."""
    from .local import room_here

    return {
        "num_cpus": room_here(settings).workers,
        "include_dashboard": False,
        "object_store_memory": _OBJECTS_BYTES,
        "object_spilling_directory": str(settings.home.absolute() / "ray"),
    }


def _map(ray, function: Callable, batches: Sequence) -> Iterator:
    """A task whose worker or machine is lost runs again elsewhere. No more frames wait than two for a
    core.
    """
    task = ray.remote(num_cpus=1, max_retries=_RETRIES)(function)
    most = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
    todo, running = deque(batches), deque()
    while todo or running:
        while todo and len(running) < most:
            running.append(task.remote(todo.popleft()))
        try:
            yield ray.get(running.popleft())
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error

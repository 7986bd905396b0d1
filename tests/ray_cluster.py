"""A Ray cluster of several nodes on this machine, until the input ends.

Here: `python -m tests.ray_cluster NODES`, each of one core; prints its address. Not here: who uses it.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def token_environment(token: str) -> dict[str, str]:
    """What a cluster and whoever uses it are told."""
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": token,
        "RAY_USAGE_STATS_ENABLED": "0",
    }


@contextmanager
def running(nodes: int, *, token: str) -> Iterator[str]:
    """A cluster that asks for the token, in a process of its own; its address."""
    cluster = subprocess.Popen(
        [sys.executable, "-m", "tests.ray_cluster", str(nodes)],
        env=os.environ | token_environment(token),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield cluster.stdout.readline().strip()
    finally:
        cluster.communicate()


def main(nodes: int) -> None:
    from ray.cluster_utils import Cluster  # only where a cluster is

    args = {"num_cpus": 1, "object_store_memory": 128 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=args)
    for _ in range(nodes - 1):
        cluster.add_node(num_cpus=1, object_store_memory=128 << 20)
    print(cluster.address, flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""A Ray cluster of several nodes on this machine, until the input ends.

Here: `python -m tests.ray_cluster NODES`, each of one core; prints its address. Not here: who uses it.
"""

import sys

from ray.cluster_utils import Cluster


def main(nodes: int) -> None:
    args = {"num_cpus": 1, "object_store_memory": 128 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=args)
    for _ in range(nodes - 1):
        cluster.add_node(num_cpus=1, object_store_memory=128 << 20)
    print(cluster.address, flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]))

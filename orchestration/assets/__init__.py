"""The assets: one a topic, one a table, wired from the registries of ingest and transforms.

Here: how a registry's entry becomes an asset. Not here: arithmetic, and SQL beyond a table's name.
"""

from .app import app_assets
from .core import core_assets
from .mart import mart_assets
from .raw import raw_assets

__all__ = ["app_assets", "core_assets", "mart_assets", "raw_assets"]

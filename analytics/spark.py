"""Spark as an engine for `read_lake` and the queries."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def connect(master: str, folder: Path) -> Any:
    """A session as Ibis has it; `disconnect` ends it.

    Args:
        master: of the cluster, such as `spark://host:7077`, or `local-cluster[2,1,1024]` for two workers here.
        folder: for what Spark writes on the way.
    """
    import ibis
    from pyspark.sql import SparkSession

    settings = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.sources.partitionColumnTypeInference.enabled": "false",  # a site may be called 42
        "spark.sql.shuffle.partitions": "8",
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
    }
    builder = SparkSession.builder.master(master).appName("affect-edge")
    for key, value in settings.items():
        builder = builder.config(key, value)
    return ibis.pyspark.connect(builder.getOrCreate())

"""How much larger a recording is in the long form, a row per metric: `python long.py DIR/hour`.

DIR is what `FGM_BENCH_DATA=DIR cargo bench --workspace --bench reader` keeps. The long form is that of
most exporters: time, name of the metric, value, a map of labels, in the order of time.
"""

import glob
import os
import sys
import tempfile

import duckdb

LABELS = ["namespace", "pod_name", "container_name", "container_id", "qos_class"]

root = sys.argv[1]
files = sorted(glob.glob(f"{root}/metrics/**/*.parquet", recursive=True))
wide_bytes = sum(map(os.path.getsize, files))
connection = duckdb.connect()
wide = f"read_parquet({files!r}, hive_partitioning = false)"
types = {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE SELECT * FROM {wide}").fetchall()}
metrics = [name for name, kind in types.items() if kind == "BIGINT" and name not in ("clock_epoch", "read_offset_us")]
labels = ", ".join(f"'{name}'" for name in LABELS)
values = ", ".join(f"CAST({name} AS VARCHAR)" for name in LABELS)
with tempfile.TemporaryDirectory(dir=root + "/..") as folder:
    target = f"{folder}/long.parquet"
    # Sorted while it is wide: there are eighty times fewer rows then.
    connection.execute(f"CREATE TABLE wide AS SELECT * FROM {wide} ORDER BY time")
    columns = ", ".join(metrics)
    connection.execute(
        f"""COPY (SELECT time, metric, CAST(value AS DOUBLE) AS value, MAP([{labels}], [{values}]) AS labels
                  FROM (UNPIVOT wide ON {columns} INTO NAME metric VALUE value))
            TO '{target}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"""
    )
    rows, in_order = connection.execute(
        f"SELECT count(*), count(*) FILTER (step < INTERVAL 0 SECONDS) FROM (SELECT time - lag(time) OVER () AS step FROM '{target}')"
    ).fetchone()
    long_bytes = os.path.getsize(target)
print(f"{len(metrics)} metrics, {rows} values: wide {wide_bytes / 1e6:.1f} MB, long {long_bytes / 1e6:.1f} MB")
print(f"long / wide {long_bytes / wide_bytes:.1f} (target at least 7); {in_order} steps back in time")

"""Reads tables by their directories' names and says what they hold, a line of JSON for each.

    consolidated.py READER DATA_DIR TABLE...

READER is duckdb, pandas, polars or spark. A table's answer has its rows, its partitions and for each column the number
of known values and their sum (of integers, exactly; null for other types).
"""

import json
import sys
from pathlib import Path


def duckdb(folder):
    import duckdb

    connection = duckdb.connect()
    relation = connection.sql(f"FROM read_parquet('{folder}/**/*.parquet', hive_partitioning = true)")
    whole = [name for name, kind in zip(relation.columns, relation.types) if str(kind) == "BIGINT"]
    counts = connection.sql(f"SELECT {', '.join(f'count({name})' for name in relation.columns)} FROM relation")
    sums = connection.sql(f"SELECT {', '.join(f'sum({name})' for name in whole)} FROM relation")
    total = dict(zip(whole, sums.fetchall()[0]))
    columns = {
        name: [count, int(total[name] or 0) if name in total else None]
        for name, count in zip(relation.columns, counts.fetchall()[0])
    }
    partitions = connection.sql("SELECT DISTINCT dt, pod FROM relation").fetchall()
    return len(relation), columns, partitions


def pandas(folder):
    import pandas

    table = pandas.read_parquet(folder, dtype_backend="pyarrow")
    columns = {}
    for name in table.columns:
        known = table[name].dropna()
        whole = "int64" in str(known.dtype)
        columns[name] = [len(known), int(known.sum()) if whole else None]
    return len(table), columns, table[["dt", "pod"]].drop_duplicates().values.tolist()


def polars(folder):
    import polars

    table = polars.scan_parquet(f"{folder}/").collect()
    columns = {}
    for name in table.columns:
        known = table[name].drop_nulls()
        whole = known.dtype == polars.Int64
        columns[name] = [len(known), int(known.sum()) if whole else None]
    return table.height, columns, table.select("dt", "pod").unique().rows()


class Spark:
    def __init__(self):
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
        builder = builder.config("spark.sql.parquet.enableVectorizedReader", "true")
        # Wide tables are read in batches of columns too, which is not so by default.
        builder = builder.config("spark.sql.codegen.maxFields", "10000")
        builder = builder.config("spark.sql.session.timeZone", "UTC").config("spark.log.level", "ERROR")
        self.session = builder.getOrCreate()

    def __call__(self, folder):
        table = self.session.read.parquet(folder)
        plan = table._jdf.queryExecution().explainString(
            self.session._jvm.org.apache.spark.sql.execution.ExplainMode.fromString("simple")
        )
        assert "Batched: true" in plan, f"not read by the vectorized reader: {plan}"
        rows = table.collect()
        kinds = dict(table.dtypes)
        columns = {}
        for place, name in enumerate(table.columns):
            known = [row[place] for row in rows if row[place] is not None]
            columns[name] = [len(known), sum(known) if kinds[name] == "bigint" else None]
        places = table.columns.index("dt"), table.columns.index("pod")
        return len(rows), columns, {tuple(row[place] for place in places) for row in rows}


def main(reader, data_dir, tables):
    readers = {"duckdb": duckdb, "pandas": pandas, "polars": polars}
    read = Spark() if reader == "spark" else readers[reader]
    for table in tables:
        rows, columns, partitions = read(str(Path(data_dir) / table))
        partitions = sorted([str(value) for value in pair] for pair in partitions)
        for name in ("dt", "pod"):
            columns.pop(name)
        answer = {"table": table, "rows": rows, "columns": columns, "partitions": partitions}
        print(json.dumps(answer), flush=True)


main(sys.argv[1], sys.argv[2], sys.argv[3:])

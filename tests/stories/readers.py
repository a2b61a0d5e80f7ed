"""What DuckDB, pandas, pyarrow and Polars say of a table's folder, read by its name.

    readers.py FOLDER UNTIL_MS

For each reader a line of JSON: its name, the rows up to UNTIL_MS, how many of their keys differ,
the values of the partition columns, and for each number column how many values it has and their sum.
"""

import json
import sys

import duckdb
import pandas
import polars
import pyarrow
import pyarrow.compute
import pyarrow.dataset
import pyarrow.parquet

KEY = ["container_id", "life", "clock_epoch", "time"]
PARTITION = ["dt", "pod"]


def by_duckdb(folder, until_ms):
    table = f"read_parquet('{folder}/**/*.parquet', hive_partitioning = true)"
    where = f"FROM {table} WHERE epoch_ms(time) <= {until_ms}"
    ask = lambda select: duckdb.sql(f"SELECT {select} {where}").fetchall()
    types = duckdb.sql(f"DESCRIBE SELECT * FROM {table}").fetchall()
    names = [row[0] for row in types if row[1] == "BIGINT"]
    [values] = ask(", ".join(f'count("{name}"), sum("{name}")' for name in names))
    [[rows]] = ask("count(*)")
    keys = len(ask("DISTINCT " + ", ".join(KEY)))
    partitions = ask("DISTINCT " + ", ".join(PARTITION))
    return rows, keys, partitions, dict(zip(names, zip(values[::2], values[1::2])))


def of_frame(frame):
    # Null where a number is unknown, so pandas shows such columns as floats.
    numbers = frame.select_dtypes("number").columns
    columns = {name: (frame[name].count(), frame[name].sum()) for name in numbers}
    partitions = frame[PARTITION].drop_duplicates().values.tolist()
    return len(frame), len(frame[KEY].drop_duplicates()), partitions, columns


def by_pandas(folder, until_ms):
    frame = pandas.read_parquet(folder)
    return of_frame(frame[frame["time"] <= pandas.Timestamp(until_ms, unit="ms", tz="UTC")])


def by_pyarrow(folder, until_ms):
    until = pyarrow.scalar(until_ms, pyarrow.timestamp("ms", "UTC"))
    table = pyarrow.parquet.read_table(folder)
    table = table.filter(pyarrow.compute.field("time") <= until)
    numbers = [field.name for field in table.schema if field.type == pyarrow.int64()]
    columns = {
        name: (len(table[name]) - table[name].null_count, pyarrow.compute.sum(table[name]).as_py())
        for name in numbers
    }
    rows, keys, partitions, _ = of_frame(table.select(KEY + PARTITION).to_pandas())
    return rows, keys, partitions, columns


def by_polars(folder, until_ms):
    frame = polars.scan_parquet(folder + "/", hive_partitioning=True)
    frame = frame.filter(polars.col("time").dt.timestamp("ms") <= until_ms).collect()
    numbers = [name for name, kind in frame.schema.items() if kind == polars.Int64]
    columns = {name: (frame[name].count(), frame[name].sum()) for name in numbers}
    partitions = frame.select(PARTITION).unique().rows()
    return len(frame), frame.select(KEY).n_unique(), partitions, columns


def main(folder, until_ms):
    for read in [by_duckdb, by_pandas, by_pyarrow, by_polars]:
        rows, keys, partitions, columns = read(folder, until_ms)
        answer = {
            "reader": read.__name__,
            "rows": rows,
            "keys": keys,
            "partitions": [[str(value) for value in row] for row in partitions],
            # A sum over nothing is null to some and 0 to others.
            "columns": {
                name: [int(count), int(total) if count else None]
                for name, (count, total) in columns.items()
            },
        }
        print(json.dumps(answer), flush=True)


main(sys.argv[1], int(sys.argv[2]))

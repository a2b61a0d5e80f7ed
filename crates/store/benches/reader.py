"""The questions of the bench `reader`, asked of DuckDB over the same files: CPU milliseconds."""

import glob
import statistics
import sys
import time

import duckdb

hour, week, container_id = sys.argv[1:4]


def files(root, table):
    return f"read_parquet({sorted(glob.glob(f'{root}/{table}/**/*.parquet', recursive=True))!r})"


def cpu_ms(query):
    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    spent = []
    for _ in range(7):
        begin = time.process_time()
        rows = connection.execute(query).fetchall()
        spent.append((time.process_time() - begin) * 1000)
    assert rows, query
    return statistics.median(spent)


raw, rolled = files(hour, "metrics"), files(week, "metrics_600s")
bucket = "time_bucket(INTERVAL '5 seconds', time)"
coarse = "time_bucket(INTERVAL '30 minutes', time)"
questions = {
    "one": f"SELECT time, memory_current FROM {raw} WHERE container_id = '{container_id}' ORDER BY time",
    "all": f"SELECT container_id, {bucket}, min(memory_current), max(memory_current) FROM {raw} GROUP BY ALL",
    "week": f"SELECT container_id, {coarse}, min(memory_current__min), max(memory_current__max) FROM {rolled} GROUP BY ALL",
}
for name, query in questions.items():
    print(name, f"{cpu_ms(query):.1f}")

"""Runs the views of `fgm-lab sql` and queries over them in DuckDB; both come as JSON on standard input."""

import json
import sys

import duckdb

asked = json.load(sys.stdin)
connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
connection.execute(asked["views"])
for query in asked["queries"]:
    result = connection.execute(query)
    names = [column[0] for column in result.description]
    rows = [dict(zip(names, row)) for row in result.fetchall()]
    print(json.dumps(rows, default=str), flush=True)

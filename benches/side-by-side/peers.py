#!/usr/bin/env python3
"""One engine does the side-by-side job once, and says what it found and what that took.

Usage: peers.py ENGINE THREADS FILE TIERS
  ENGINE  duckdb | duckdb-rated | clickhouse | datafusion | polars
  TIERS   the price from its lowest tier, as UP_TO:MICROS,... with no UP_TO in the last: 100:500000,:100000

The job: of lines with the same id one counts, values are summed by customer and meter, each sum costs what the tiers say.
`duckdb-rated` gives every event its own amount from a running total, as Weir does.

Prints one JSON line: wall and CPU seconds of the query alone (neither the interpreter's start nor imports), and the
answer. Nothing here is durable and nothing is kept: these are best cases.
"""
import json
import os
import resource
import sys
import time


def tiers_of(text):
    """(lower, upper or None, price) of each tier."""
    tiers, lower = [], 0
    for part in text.split(","):
        up_to, micros = part.split(":")
        upper = int(up_to) if up_to else None
        tiers.append((lower, upper, int(micros)))
        lower = upper
    return tiers


def price_sql(tiers, q):
    def term(lower, upper, micros):
        reached = q if upper is None else f"least({q},{upper})"
        return f"greatest({reached}-{lower},0)*{micros}"

    return "(" + "+".join(term(*tier) for tier in tiers) + ")"


def totals_sql(source, tiers, pick, value):
    """Dedup, totals and prices; `pick` takes any row of an id."""
    return (
        f"with e as (select id,{pick}(subject) s,{pick}(type) t,{pick}({value}) v from {source} group by id),"
        " u as (select s,t,sum(v) q,count(*) n from e group by s,t),"
        f" c as (select s,sum({price_sql(tiers, 'q')}) a,sum(n) n from u group by s)"
        " select count(*) customers,sum(a) amount,sum(n) uniq from c"
    )


def rated_sql(source, tiers):
    """Like `totals_sql`, with the amount that each event adds."""
    return (
        "with e as (select id,any_value(subject) s,any_value(type) t,any_value(time) ts,any_value(data.value) v"
        f" from {source} group by id),"
        " w as (select s,v,(sum(v) over (partition by s,t order by ts,id))::BIGINT q from e),"
        f" r as (select s,{price_sql(tiers, 'q')}-{price_sql(tiers, '(q-v)')} a from w),"
        " c as (select s,sum(a) a,count(*) n from r group by s) select count(*),sum(a),sum(n) from c"
    )


def duckdb_query(threads, path, sql):
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"set threads={threads}; set preserve_insertion_order=false")
    columns = "{id:'VARCHAR',type:'VARCHAR',subject:'VARCHAR',time:'VARCHAR',data:'STRUCT(value BIGINT)'}"
    query = sql(f"read_ndjson('{path}',columns={columns})")
    return lambda: connection.execute(query).fetchall()[0]


def duckdb(threads, path, tiers):
    # A sum of BIGINT is a HUGEINT; these fit in 64 bits, where arithmetic is faster.
    return duckdb_query(threads, path, lambda source: totals_sql(source, tiers, "any_value", "data.value").replace("sum(v) q", "sum(v)::BIGINT q"))


def duckdb_rated(threads, path, tiers):
    return duckdb_query(threads, path, lambda source: rated_sql(source, tiers))


def clickhouse(threads, path, tiers):
    import chdb

    columns = "id String, type LowCardinality(String), subject String, data Tuple(value Int64)"
    sql = totals_sql(f"file('{path}','JSONEachRow','{columns}')", tiers, "any", "data.value") + (
        f" SETTINGS max_threads={threads}, max_parsing_threads={threads}, input_format_skip_unknown_fields=1,"
        " input_format_json_ignore_unknown_keys_in_named_tuple=1"
    )
    chdb.query("select 1")
    return lambda: str(chdb.query(sql, "CSV")).strip().split(",")


def datafusion(threads, path, tiers):
    import datafusion
    import pyarrow as pa

    context = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(threads))
    text = pa.string()
    schema = pa.schema([("id", text), ("type", text), ("subject", text), ("data", pa.struct([("value", pa.int64())]))])
    context.register_json("events", path, schema=schema, file_extension=".ndjson")
    sql = totals_sql("events", tiers, "min", "data['value']")
    return lambda: [column[0] for column in context.sql(sql).to_pydict().values()]


def polars(threads, path, tiers):
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    import polars as pl

    schema = {"id": pl.String, "type": pl.String, "subject": pl.String, "data": pl.Struct({"value": pl.Int64})}
    value = pl.col("data").struct.field("value").alias("v")
    events = pl.scan_ndjson(path, schema=schema).select("id", "subject", "type", value).unique(subset="id", keep="any")
    totals = events.group_by("subject", "type").agg(pl.col("v").sum().alias("q"), pl.len().alias("n"))

    def term(lower, upper, micros):
        reached = pl.col("q") if upper is None else pl.col("q").clip(upper_bound=upper)
        return (reached - lower).clip(lower_bound=0) * micros

    amount = sum((term(*tier) for tier in tiers[1:]), term(*tiers[0]))
    customers = totals.group_by("subject").agg(amount.sum().alias("a"), pl.col("n").sum())
    query = customers.select(pl.len().alias("customers"), pl.col("a").sum(), pl.col("n").sum())
    return lambda: query.collect(engine="streaming").rows()[0]


ENGINES = {
    "duckdb": duckdb,
    "duckdb-rated": duckdb_rated,
    "clickhouse": clickhouse,
    "datafusion": datafusion,
    "polars": polars,
}


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main():
    if len(sys.argv) != 5 or sys.argv[1] not in ENGINES:
        sys.exit(__doc__)
    engine, threads, path, tiers = sys.argv[1:]
    run = ENGINES[engine](int(threads), os.path.abspath(path), tiers_of(tiers))
    started, used = time.monotonic(), cpu_seconds()
    customers, amount, unique = run()
    wall, cpu = time.monotonic() - started, cpu_seconds() - used
    answer = {"customers": int(customers), "amount_micros": int(amount), "unique": int(unique)}
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "answer": answer}))


if __name__ == "__main__":
    main()

"""Sends Arrow IPC streams with pyarrow: every type of text column, buffers plain and compressed, several batches, and one bad row.

Prints each answer's status and body as a line of JSON. Arguments: URL KEY.
"""

import json
import sys
from datetime import datetime, timezone

import pyarrow as pa
import requests

url, key = sys.argv[1:]
ROWS = 1000


def table(name, text, numbers):
    time = datetime(2026, 11, 3, tzinfo=timezone.utc)
    return pa.table(
        {
            "id": pa.array([f"{name}-{number}" for number in numbers], text),
            "source": pa.array(["/arrow"] * len(numbers), text),
            "type": pa.array(["llm.completion"] * len(numbers), text),
            "subject": pa.array(["acme"] * len(numbers), text),
            "time": pa.array([time] * len(numbers), pa.timestamp("us", tz="UTC")),
            "data": pa.array([f'{{"model":"swift-3","input_tokens":{number}}}' for number in numbers], text),
        }
    )


def send(content, **options):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, content.schema, options=pa.ipc.IpcWriteOptions(**options)) as stream:
        stream.write_table(content, max_chunksize=300)
    headers = {"content-type": "application/vnd.apache.arrow.stream", "authorization": f"Bearer {key}"}
    answer = requests.post(f"{url}/v1/events", headers=headers, data=sink.getvalue().to_pybytes())
    print(json.dumps({"status": answer.status_code, "body": answer.json()}))


dictionary = pa.dictionary(pa.int32(), pa.string())
texts = {"utf8": pa.string(), "large": pa.large_string(), "view": pa.string_view(), "dictionary": dictionary}
for name, text in texts.items():
    send(table(name, text, range(ROWS)))
send(table("lz4", pa.string(), range(ROWS)), compression="lz4")
send(table("zstd", pa.string(), range(ROWS)), compression="zstd")
send(table("utf8", pa.large_string(), range(ROWS)))
bad = table("bad", pa.string(), range(3)).set_column(3, "subject", pa.array(["acme", None, "acme"], pa.string()))
send(bad)
send(table("missing", pa.string(), range(3)).drop_columns(["subject"]))
send(table("type", pa.string(), range(3)).set_column(3, "subject", pa.array([1, 2, 3])))

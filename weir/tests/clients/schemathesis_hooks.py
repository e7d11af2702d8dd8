"""Tells schemathesis how bodies that are plain text go over the wire."""

import schemathesis


@schemathesis.serializer("application/x-ndjson", "application/vnd.apache.arrow.stream", "application/toml")
def text(_context, value):
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else str(value).encode()

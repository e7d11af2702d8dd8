"""Reads /metrics with the parser of Prometheus' client library and prints all samples as JSON. Arguments: URL."""

import json
import sys

import requests
from prometheus_client.parser import text_string_to_metric_families

answer = requests.get(f"{sys.argv[1]}/metrics")
families = list(text_string_to_metric_families(answer.text))
samples = [
    {"family": family.name, "type": family.type, "name": sample.name, "labels": sample.labels, "value": sample.value}
    for family in families
    for sample in family.samples
]
print(json.dumps({"content_type": answer.headers["content-type"], "helped": all(f.documentation for f in families), "samples": samples}))

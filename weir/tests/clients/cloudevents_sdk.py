"""Sends events with the CloudEvents SDK for Python: structured, the same again in binary mode, and a batch.

Prints each answer's status and body as a line of JSON. Arguments: URL KEY.
"""

import json
import sys
from datetime import datetime, timezone

import requests
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

url, key = sys.argv[1:]


def event(number, subject):
    attributes = {
        "id": f"python-{number}",
        "source": "/sdk/python",
        "type": "llm.completion",
        "subject": subject,
        "time": datetime(2026, 11, 2, 12, 0, number, 250_000, tzinfo=timezone.utc),
        "datacontenttype": "application/json",
    }
    return CloudEvent(attributes, {"model": "swift-3", "input_tokens": 1000 + number, "user": "Zoë \"quoted\""})


def send(headers, body):
    answer = requests.post(f"{url}/v1/events", headers={**headers, "authorization": f"Bearer {key}"}, data=body)
    print(json.dumps({"status": answer.status_code, "body": answer.json()}))


for number, subject in enumerate(["acme", "Müller & Söhne, 100 % ☕"]):
    for convert in [to_structured_event, to_binary_event]:
        message = convert(event(number, subject))
        send(message.headers, message.body)

events = [json.loads(to_structured_event(event(number, "acme")).body) for number in range(2, 12)]
send({"content-type": "application/cloudevents-batch+json"}, json.dumps(events + events[:3] + [{"id": "no event"}]))

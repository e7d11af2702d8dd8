// Sends events with the CloudEvents SDK for JavaScript: structured, the same again in binary mode, and a batch.
//
// Prints each answer's status and body as a line of JSON. Arguments: FOLDER_OF_PACKAGES URL KEY.
import { createRequire } from "node:module";

const [packages, url, key] = process.argv.slice(2);
const { CloudEvent, HTTP } = createRequire(`${packages}/`)("cloudevents");

const event = (number, subject) =>
  new CloudEvent({
    id: `javascript-${number}`,
    source: "/sdk/javascript",
    type: "llm.completion",
    subject,
    time: new Date(Date.UTC(2026, 10, 2, 12, 0, number, 250)).toISOString(),
    datacontenttype: "application/json",
    data: { model: "swift-3", input_tokens: 1000 + number, user: 'Zoë "quoted"' },
  });

async function send(headers, body) {
  const answer = await fetch(`${url}/v1/events`, {
    method: "POST",
    headers: { ...headers, authorization: `Bearer ${key}` },
    body,
  });
  console.log(JSON.stringify({ status: answer.status, body: await answer.json() }));
}

for (const number of [0, 1]) {
  for (const convert of [HTTP.structured, HTTP.binary]) {
    const { headers, body } = convert(event(number, "acme"));
    await send(headers, body);
  }
}

const events = Array.from({ length: 10 }, (_, index) => JSON.parse(HTTP.structured(event(index + 2, "acme")).body));
await send(
  { "content-type": "application/cloudevents-batch+json" },
  JSON.stringify([...events, ...events.slice(0, 3), { id: "no event" }]),
);

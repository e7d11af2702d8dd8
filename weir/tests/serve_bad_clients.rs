//! `weir serve` under clients that are slow, endless, huge, wrong, or too many: each hears what is the matter, memory stays bounded, and a good
//! client is served meanwhile.

#[path = "running/server.rs"]
mod server;

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use server::{Answer, Running, event, read_all};

/// Low limits, so that tests meet them soon.
const LIMITS: [(&str, &str); 5] = [
    ("WEIR_SERVER__HEADER_TIMEOUT_S", "1"),
    ("WEIR_SERVER__BODY_IDLE_TIMEOUT_S", "1"),
    ("WEIR_INGEST__BODY_BYTES_MAX", "12MiB"),
    ("WEIR_INGEST__BATCH_EVENTS_MAX", "100"),
    ("WEIR_INGEST__IN_FLIGHT_BYTES_MAX", "64MiB"),
];
const BODY_BYTES_MAX: usize = 12 << 20;
/// Far above what the server needs, far below what these clients would take of one that kept what they send.
const RESIDENT_BYTES_MAX: u64 = 512 << 20;

const NDJSON: &str = "application/x-ndjson";
const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

/// A server whose good client is served as long as the others work, and whose memory is looked at afterwards.
fn under(work: impl FnOnce(&Running)) {
    let server = Running::start(&LIMITS);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let good = threads.spawn(|| {
            let mut sent = 0;
            loop {
                let answer = server.events(STRUCTURED, event(&format!("good-{sent}"), 1).as_bytes());
                assert_eq!((answer.status, &answer.json()["accepted"]), (200, &json!(1)), "{answer:?}");
                sent += 1;
                if is_over.load(Ordering::Relaxed) {
                    return sent;
                }
            }
        });
        // Whatever goes wrong, the good client must end, so that the scope does.
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&server)));
        is_over.store(true, Ordering::Relaxed);
        assert!(good.join().unwrap() > 0);
        worked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    let resident = server.resident_bytes();
    assert!(resident < RESIDENT_BYTES_MAX, "{resident} bytes");
}

/// The beginning of a request to `/v1/events`, up to the blank line.
fn head(server: &Running, headers: &str) -> String {
    format!("POST /v1/events HTTP/1.1\r\nhost: weir\r\nauthorization: Bearer {}\r\n{headers}\r\n", server.key)
}

/// Status and problem code of an answer as it came over the wire.
fn raw_problem(text: &str) -> (u16, String) {
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let problem: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}"));
    (status.unwrap(), problem["code"].as_str().unwrap().to_owned())
}

fn problem(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// Codes of the events that an answer has rejected; nothing else was wrong.
fn rejected(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = answer.json();
    let rejections = json["rejections"].as_array().unwrap().iter();
    rejections.map(|rejected| rejected["code"].as_str().unwrap().to_owned()).collect()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn slow_clients_are_let_go() {
    under(|server| {
        // Headers that do not end, and none at all: there is no request to answer, and the connection ends.
        for beginning in ["POST /v1/events HTTP/1.1\r\nhost: weir\r\n", "P", ""] {
            assert_eq!(read_all(&mut server.connect(beginning.as_bytes())), "", "{beginning:?}");
        }
        for (media, length, beginning) in
            [(STRUCTURED, 100, ""), (STRUCTURED, 100, "{\"specversion\""), (NDJSON, 1_000, event("slow", 1).as_str())]
        {
            let head = head(server, &format!("content-type: {media}\r\ncontent-length: {length}\r\n"));
            let answer = read_all(&mut server.connect(format!("{head}{beginning}").as_bytes()));
            assert_eq!(raw_problem(&answer), problem(408, "body_too_slow"), "{media} {beginning:?}");
        }
        // A body of a request that is none of events, as slow.
        let slow = format!(
            "PUT /v1/catalog HTTP/1.1\r\nhost: weir\r\nauthorization: Bearer {}\r\ncontent-length: 9\r\n\r\n",
            server.key
        );
        assert_eq!(raw_problem(&read_all(&mut server.connect(slow.as_bytes()))), problem(408, "body_too_slow"));
        // Nobody waits for the body of a stranger.
        let stranger = "PUT /v1/catalog HTTP/1.1\r\nhost: weir\r\ncontent-length: 9\r\n\r\n";
        assert_eq!(raw_problem(&read_all(&mut server.connect(stranger.as_bytes()))), problem(401, "unauthorized"));
    });
}

#[test]
fn lines_and_bodies_that_are_too_long() {
    under(|server| {
        let long = [b"x".repeat(10 << 20), event("behind", 1).into_bytes()].concat();
        let answer = server.events(NDJSON, &[&long[..10 << 20], b"\n", &long[10 << 20..]].concat());
        assert_eq!(rejected(&answer), ["record_too_long"]);
        assert_eq!(answer.json()["accepted"], 1, "its neighbour passes");

        // A line that does not end, in a body that would not either.
        let mut endless = server
            .connect(head(server, &format!("content-type: {NDJSON}\r\ntransfer-encoding: chunked\r\n")).as_bytes());
        let mut left = BODY_BYTES_MAX + 1;
        while left > 0 {
            let chunk = left.min(1 << 16);
            endless.write_all(&[format!("{chunk:x}\r\n").as_bytes(), &vec![b'x'; chunk], b"\r\n"].concat()).unwrap();
            left -= chunk;
        }
        assert_eq!(raw_problem(&read_all(&mut endless)), problem(413, "line_endless"));

        // Lines that never end: as many as anybody likes are one request.
        let many: String = (0..100_000).map(|number| event(&format!("many-{number}"), 1)).collect();
        assert!(many.len() > BODY_BYTES_MAX);
        let answer = server.events(NDJSON, many.as_bytes());
        assert_eq!((answer.status, &answer.json()["accepted"]), (200, &json!(100_000)), "{answer:?}");

        let body = vec![b' '; BODY_BYTES_MAX + 1];
        for media in [STRUCTURED, BATCH, "application/vnd.apache.arrow.stream"] {
            assert_eq!(server.events(media, &body).problem(), problem(413, "body_too_large"), "{media}");
        }
        let catalog = server.send("PUT", "/v1/catalog", &[("content-type", "application/toml")], &body);
        assert_eq!(catalog.problem(), problem(413, "body_too_large"));
        let batch = format!("[{}]", vec![event("many", 1); 101].join(","));
        assert_eq!(server.events(BATCH, batch.as_bytes()).problem(), problem(413, "batch_too_large"));
    });
}

#[test]
fn bodies_that_expand_to_far_more_than_they_are() {
    let zeros = vec![0_u8; 256 << 20];
    let bombs = [("gzip", gzip(&zeros)), ("zstd", zstd::encode_all(&zeros[..], 3).unwrap())];
    drop(zeros);
    under(|server| {
        std::thread::scope(|threads| {
            for (encoding, bomb) in &bombs {
                for (media, code) in
                    [(STRUCTURED, "body_too_large"), (BATCH, "body_too_large"), (NDJSON, "line_endless")]
                {
                    threads.spawn(move || {
                        assert!(bomb.len() < 1 << 20);
                        let headers = [("content-type", media), ("content-encoding", *encoding)];
                        let answer = server.send("POST", "/v1/events", &headers, bomb);
                        assert_eq!(answer.problem(), problem(413, code), "{encoding} {media}");
                    });
                }
            }
        });
        for (encoding, body) in [
            ("gzip", gzip(event("cut", 1).as_bytes())),
            ("zstd", zstd::encode_all(event("cut", 1).as_bytes(), 3).unwrap()),
        ] {
            let headers = [("content-type", NDJSON), ("content-encoding", encoding)];
            for damaged in [&body[..body.len() - 3], b"neither of them"] {
                let answer = server.send("POST", "/v1/events", &headers, damaged);
                assert_eq!(answer.problem(), problem(400, "body_damaged"), "{encoding}");
            }
            assert_eq!(server.send("POST", "/v1/events", &headers, &body).status, 200, "{encoding}");
        }
    });
}

#[test]
fn what_is_no_event() {
    under(|server| {
        let good = event("good", 1);
        for media in ["text/plain", "application/json", "", "multipart/form-data; boundary=x"] {
            assert_eq!(
                server.events(media, good.as_bytes()).problem(),
                problem(415, "content_type_unsupported"),
                "{media}"
            );
        }
        for encoding in ["br", "deflate", "gzip, zstd"] {
            let headers = [("content-type", NDJSON), ("content-encoding", encoding)];
            let answer = server.send("POST", "/v1/events", &headers, good.as_bytes());
            assert_eq!(answer.problem(), problem(415, "encoding_unsupported"), "{encoding}");
        }
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let nested = event("deep", 1).replace("\"input_tokens\"", &format!("\"deep\":{},\"input_tokens\"", deep(100)));
        for media in [NDJSON, STRUCTURED] {
            assert_eq!(rejected(&server.events(media, nested.as_bytes())), ["nesting_too_deep"], "{media}");
            assert_eq!(
                rejected(&server.events(media, &[b"{\"id\":\"", &[0xFF][..], b"\"}\n"].concat())),
                ["utf8_invalid"]
            );
            assert_eq!(rejected(&server.events(media, deep(100_000).as_bytes())), ["nesting_too_deep"], "{media}");
        }
        for (body, code) in [
            ("", "body_invalid"),
            ("{}", "body_invalid"),
            ("[", "body_invalid"),
            ("[{}", "body_invalid"),
            ("[{}] {}", "body_invalid"),
        ] {
            assert_eq!(server.events(BATCH, body.as_bytes()).problem(), problem(400, code), "{body}");
        }
        let arrow = server.events("application/vnd.apache.arrow.stream", b"no stream");
        assert_eq!(arrow.problem(), problem(400, "columns_invalid"));
        let deep_json = server.send("POST", "/v1/customers", &[], deep(100_000).as_bytes());
        assert_eq!(deep_json.problem(), problem(400, "json_invalid"));
        let catalog = server.send("PUT", "/v1/catalog", &[("content-type", "application/toml")], &[0xFF]);
        assert_eq!(catalog.problem(), problem(400, "catalog_unreadable"));
        assert_eq!(server.get("/v1/customers/%FF/current").problem(), problem(400, "parameter_invalid"));
        assert_eq!(server.get("/v1/usage?customers=acme").problem(), problem(400, "parameter_invalid"));
        assert_eq!(server.get("/v1/nothing").problem(), problem(404, "not_found"));
        let huge = head(server, &format!("x-huge: {}\r\n", "x".repeat(200_000)));
        let mut stream = TcpStream::connect(server.address).unwrap();
        // It may be told before it has said all.
        let _ = stream.write_all(huge.as_bytes());
        let answer = read_all(&mut stream);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    });
}

#[test]
fn keys_open_what_is_theirs() {
    under(|server| {
        let (_, ingest) = server.new_key(&json!({"name": "ingest", "role": "ingest"}));
        let (_, read) = server.new_key(&json!({"name": "read", "role": "read", "subjects": "acme*"}));
        let (_, bound) =
            server.new_key(&json!({"name": "bound", "role": "ingest", "subjects": "acme-*", "sources": "/tests"}));
        let (_, expired) =
            server.new_key(&json!({"name": "old", "role": "admin", "expires_at": "2026-01-01T00:00:00Z"}));
        let (id, revoked) = server.new_key(&json!({"name": "gone", "role": "admin"}));
        assert_eq!(server.send("DELETE", &format!("/v1/keys/{id}"), &[], b"").status, 200);
        let send = |key: &str, line: &str| {
            server.send("POST", "/v1/events", &[("authorization", key), ("content-type", NDJSON)], line.as_bytes())
        };
        let line = event("keys", 1);
        let last = server.key.chars().last().unwrap();
        let almost = format!("Bearer {}{}", &server.key[..server.key.len() - 1], if last == 'a' { 'b' } else { 'a' });
        for key in ["", "Bearer ", "Basic YTpi", "Bearer weir_", "Bearer weir_x_y", &almost, &expired, &revoked] {
            assert_eq!(send(key, &line).problem(), problem(401, "unauthorized"), "{key}");
        }
        assert_eq!(send(&read, &line).problem(), problem(403, "forbidden"));
        let ask = |path: &str, key: &str| server.send("GET", path, &[("authorization", key)], b"").problem();
        assert_eq!(ask("/v1/usage", &ingest), problem(403, "forbidden"));
        assert_eq!(ask("/v1/usage", &read), problem(403, "forbidden_subject"));
        assert_eq!(ask("/v1/customers/globex/current", &read), problem(403, "forbidden_subject"));
        assert_eq!(ask("/v1/catalog", &read), problem(403, "forbidden"));

        let lines =
            ["acme", "acme-eu", "globex"].map(|subject| event(subject, 1).replace("\"acme\"", &format!("{subject:?}")));
        // The first replacement also renames the id, which is the subject here.
        assert_eq!(rejected(&send(&bound, &lines.concat())), ["forbidden_subject", "forbidden_subject"]);
        let elsewhere = lines[1].replace("/tests", "/elsewhere");
        assert_eq!(rejected(&send(&bound, &elsewhere)), ["forbidden_subject"]);
        let void = line.replace("llm.completion", "weir.void");
        assert_eq!(rejected(&send(&ingest, &void)), ["type_reserved"]);
    });
}

/// How many connections nobody uses: as many as asked for, or as this process may open.
fn idle_connections() -> usize {
    let wanted = std::env::var("WEIR_TEST_IDLE_CONNECTIONS").map_or(1_000, |text| text.parse().unwrap());
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let files: usize = files.split_whitespace().next().unwrap().parse().unwrap_or(usize::MAX);
    wanted.min(files.saturating_sub(200))
}

#[test]
fn connections_that_nobody_uses_end() {
    under(|server| {
        let mut connections: Vec<TcpStream> = (0..idle_connections()).map(|_| server.connect(b"")).collect();
        assert_eq!(server.get("/readyz").status, 200);
        for connection in &mut connections {
            assert_eq!(read_all(connection), "");
        }
    });
}

#[test]
fn tiny_requests_in_great_number() {
    const THREADS: usize = 8;
    const REQUESTS: usize = 2_500;
    under(|server| {
        std::thread::scope(|threads| {
            for thread in 0..THREADS {
                threads.spawn(move || {
                    for number in 0..REQUESTS {
                        let (body, accepted) = match number % 4 {
                            0 => (event(&format!("tiny-{thread}-{number}"), 1), 1),
                            1 => ("{}".to_owned(), 0),
                            2 => ("\n".to_owned(), 0),
                            _ => (String::new(), 0),
                        };
                        let answer = server.events(NDJSON, body.as_bytes());
                        assert_eq!((answer.status, &answer.json()["accepted"]), (200, &json!(accepted)), "{answer:?}");
                    }
                });
            }
        });
        let stats = server.get("/v1/stats").json();
        let good = stats["accepted"].as_u64().unwrap() - (THREADS * REQUESTS / 4) as u64;
        assert!(good > 0, "{stats}");
    });
}

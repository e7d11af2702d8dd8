//! A client that asks again until it is told, and stops asking when no answer would help.

use std::time::Duration;

use weir_loadtest::driver::{BlockingClient, Counts, Form, Pool, Recipe, Tries, Undelivered, audit};

use crate::served::{Act, Served};

const PATIENCE: Duration = Duration::from_mins(1);
const BUSY: &str = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n";
const BUSY_CLOSE: &str =
    "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
const UNAVAILABLE: &str =
    "HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfull\r\n0\r\n\r\n";

fn pool() -> Pool {
    // A body that fits into no socket's buffer.
    Pool::new(Recipe { seed: 1, form: Form::Ndjson, events_per_body: 8_000, pool_events: 16_000 }).unwrap()
}

#[test]
fn bodies_are_sent_again_until_they_are_acknowledged() {
    use Act::{Break, Refuse, RefuseEarly, Take, TakeAndBreak, TakeAndBreakWithin, TakeAndDribble};
    let tries = |busy, unavailable, broken| Tries { busy, unavailable, broken, unconnected: 0 };
    let mut pool = pool();
    let body = pool.body(0, 0).to_vec();
    for (script, expected, taken) in [
        (&[][..], tries(0, 0, 0), 1),
        (&[TakeAndDribble], tries(0, 0, 0), 1),
        (&[Refuse(BUSY), Refuse(BUSY), Refuse(UNAVAILABLE)], tries(2, 1, 0), 1),
        (&[Refuse(UNAVAILABLE), Take], tries(0, 1, 0), 1),
        (&[RefuseEarly(BUSY_CLOSE), RefuseEarly(BUSY_CLOSE)], tries(2, 0, 0), 1),
        (&[Break, Break], tries(0, 0, 2), 1),
        (&[TakeAndBreak, TakeAndBreakWithin], tries(0, 0, 2), 3),
        (&[TakeAndBreak, Refuse(BUSY), Break, Refuse(UNAVAILABLE)], tries(1, 1, 2), 2),
    ] {
        let served = Served::start(script);
        let mut client = BlockingClient::new(served.server(), Form::Ndjson).unwrap();
        let delivered = client.deliver(&body, PATIENCE).unwrap();
        assert_eq!(delivered.tries, expected, "{script:?}");
        assert_eq!(delivered.answer.received, 8_000);
        let seen = served.seen();
        assert_eq!(seen.received, taken * 8_000, "{script:?}");
        let fresh = if taken == 1 { seen.unique() } else { 0 };
        assert_eq!((delivered.answer.accepted, delivered.answer.duplicate), (fresh, 8_000 - fresh), "{script:?}");
    }
}

#[test]
fn some_answers_end_it() {
    let refused =
        |status: &str, text: &str| format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    for (response, expected) in [
        (refused("400 Bad Request", "no events"), "the server answers 400: no events"),
        (refused("401 Unauthorized", ""), "the server answers 401: "),
        (refused("413 Too Large", "too long\n"), "the server answers 413: too long"),
        (refused("500 Oops", "oops"), "the server answers 500: oops"),
        (
            refused("200 OK", "{}"),
            "the answer is not the JSON that it should be: missing field `received` at line 1 column 2: {}",
        ),
        ("HTTP/1.1 200 OK\r\n\r\n".to_owned(), "the response's length is not given in exactly one way"),
        (refused("200 OK", "") + "more", "the response goes on behind its end"),
    ] {
        let response: &'static str = response.leak();
        let served = Served::start(&[Act::Refuse(response)]);
        let mut client = BlockingClient::new(served.server(), Form::Ndjson).unwrap();
        let error = client.deliver(b"{}", PATIENCE).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    // A refusal that comes while the body is still being sent is heard.
    let served =
        Served::start(&[Act::RefuseEarly("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")]);
    let mut client = BlockingClient::new(served.server(), Form::Ndjson).unwrap();
    let error = client.deliver(pool().body(0, 0), PATIENCE).unwrap_err();
    assert!(matches!(error, Undelivered::Refused { status: 413, .. }), "{error}");
}

#[test]
fn a_client_gives_up_in_the_end() {
    let nobody = Served::start(&[]);
    let server = nobody.server();
    drop(nobody);
    let mut client = BlockingClient::new(server, Form::Ndjson).unwrap();
    let error = client.deliver(b"{}", Duration::from_millis(20)).unwrap_err();
    assert!(
        matches!(&error, Undelivered::GivenUp { last, tries } if last.starts_with("no connection") && tries.unconnected > 1)
    );
    let served = Served::start(&[Act::Refuse("HTTP/1.1 429 Busy\r\nRetry-After: 100\r\nContent-Length: 0\r\n\r\n")]);
    let mut client = BlockingClient::new(served.server(), Form::Ndjson).unwrap();
    let error = client.deliver(b"{}", PATIENCE).unwrap_err();
    assert!(error.to_string().starts_with("given up: 429"), "{error}");
}

#[test]
fn a_server_may_be_killed_between_and_within_bodies() {
    let recipe = Recipe { seed: 1, form: Form::Ndjson, events_per_body: 50, pool_events: 2_000 };
    let mut pool = Pool::new(recipe).unwrap();
    let (mut rounds, mut counts) = (pool.nothing_sent(), Counts::default());
    let mut served = Served::start(&[]);
    let mut client = BlockingClient::new(served.server(), Form::Ndjson).unwrap();
    for number in 0..pool.len() {
        if number % 7 == 3 {
            let (address, seen) = served.kill();
            let script = if number % 2 == 0 { Act::TakeAndBreak } else { Act::Break };
            seen.lock().unwrap().script.push_back(script);
            served = Served::restart(address, seen);
        }
        let delivered = client.deliver(pool.body(number, rounds.of(number)), PATIENCE).unwrap();
        rounds.acknowledge(number);
        counts.add_body(50, &delivered);
    }
    let audited = audit(&pool, &rounds, &counts);
    assert!(audited.agrees(), "{audited:?}");
    assert_eq!((audited.expected.unique, audited.expected.lines), (served.seen().unique(), 2_000));
    // Each restart breaks the connection that stood, and the next one by its script.
    assert_eq!((audited.repeated_bodies, counts.tries.broken), (6, 12));
}

#[test]
fn requests_carry_the_key() {
    let served = Served::start(&[]);
    let server = weir_loadtest::driver::Server { key: Some("secret".to_owned()), ..served.server() };
    let mut pool = Pool::new(Recipe { seed: 1, form: Form::Single, events_per_body: 1, pool_events: 2 }).unwrap();
    let mut client = BlockingClient::new(server, Form::Single).unwrap();
    client.deliver(pool.body(1, 0), PATIENCE).unwrap();
    let heads = &served.seen().heads;
    assert!(heads.len() == 1 && heads[0].contains("\r\nAuthorization: Bearer secret\r\n"), "{heads:?}");
}

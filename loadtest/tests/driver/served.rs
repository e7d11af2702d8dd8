//! A server for tests: it knows identities as Weir does, adds up what it takes, and does what its script says.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use arrow_array::cast::AsArray;
use arrow_ipc::reader::StreamReader;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use weir_loadtest::driver::Server;

/// What is done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It is taken and answered.
    Take,
    /// It is taken and answered byte by byte.
    TakeAndDribble,
    /// It is taken, and the connection breaks before the answer.
    TakeAndBreak,
    /// It is taken, and the connection breaks within the answer.
    TakeAndBreakWithin,
    /// The connection breaks behind the head of the request.
    Break,
    /// It is answered with a status and header fields, and not taken.
    Refuse(&'static str),
    /// It is answered so before its content is read, and the connection is closed.
    RefuseEarly(&'static str),
}

/// What a server has seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// What is done with the next requests; then all are taken.
    pub script: VecDeque<Act>,
    /// Content of each identity.
    events: HashMap<(String, String), String>,
    /// Quantities by subject and type.
    pub quantities: BTreeMap<(String, String), u64>,
    /// Events in all requests that were taken.
    pub received: u64,
    /// Heads of requests.
    pub heads: Vec<String>,
}

/// A server that runs; it dies with this value, with all its connections, and what it has seen stays.
#[derive(Debug)]
pub struct Served {
    /// It dies at once, as if killed.
    _runtime: Runtime,
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Served {
    pub fn start(script: &[Act]) -> Served {
        let seen = Seen { script: script.iter().copied().collect(), ..Seen::default() };
        Served::restart("127.0.0.1:0".parse().unwrap(), Arc::new(Mutex::new(seen)))
    }

    /// Starts where another was, with what it has seen.
    pub fn restart(address: SocketAddr, seen: Arc<Mutex<Seen>>) -> Served {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(accept(listener, Arc::clone(&seen)));
        Served { _runtime: runtime, address, seen }
    }

    pub fn kill(self) -> (SocketAddr, Arc<Mutex<Seen>>) {
        (self.address, Arc::clone(&self.seen))
    }

    pub fn server(&self) -> Server {
        Server::parse(&format!("http://{}", self.address), None).unwrap()
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
}

impl Seen {
    /// Distinct identities.
    pub fn unique(&self) -> u64 {
        u64::try_from(self.events.len()).unwrap()
    }

    fn take(&mut self, head: &str, body: &[u8]) -> Value {
        let events = decode(head, body);
        let (mut accepted, mut duplicate, mut conflict) = (0, 0, 0);
        self.received += u64::try_from(events.len()).unwrap();
        for event in &events {
            let text = |name: &str| event[name].as_str().unwrap().to_owned();
            let identity = (text("source"), text("id"));
            let content = event.to_string();
            match self.events.get(&identity) {
                Some(first) if *first == content => duplicate += 1,
                Some(_) => conflict += 1,
                None => {
                    accepted += 1;
                    self.events.insert(identity, content);
                    let quantity = self.quantities.entry((text("subject"), text("type"))).or_default();
                    *quantity += event["data"]["value"].as_u64().unwrap();
                }
            }
        }
        let counts =
            [("received", events.len()), ("accepted", accepted), ("duplicate", duplicate), ("conflict", conflict)];
        let mut answer = json!({ "rejected": 0, "rejections": [] });
        for (name, count) in counts {
            answer[name] = json!(count);
        }
        answer
    }
}

async fn accept(listener: TcpListener, seen: Arc<Mutex<Seen>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(serve(stream, Arc::clone(&seen)));
    }
}

/// One connection. A client that goes away ends it.
async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Seen>>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut received = Vec::new();
    loop {
        let head_len = loop {
            if let Some(at) = received.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            read(&mut stream, &mut received).await?;
        };
        let head = String::from_utf8(received[..head_len].to_vec()).unwrap();
        let length: usize = field(&head, "Content-Length").parse().unwrap();
        let act = {
            let mut seen = seen.lock().unwrap();
            seen.heads.push(head.clone());
            seen.script.pop_front().unwrap_or(Act::Take)
        };
        if let Act::RefuseEarly(refusal) = act {
            stream.write_all(refusal.as_bytes()).await.ok()?;
            stream.shutdown().await.ok()?;
            // What still comes is read, so that the system does not take the answer back.
            while read(&mut stream, &mut received).await.is_some() {}
            return None;
        }
        if act == Act::Break {
            return None;
        }
        while received.len() < head_len + length {
            read(&mut stream, &mut received).await?;
        }
        if let Act::Refuse(refusal) = act {
            stream.write_all(refusal.as_bytes()).await.ok()?;
        } else {
            let answer = seen.lock().unwrap().take(&head, &received[head_len..]).to_string();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
            write(&mut stream, act, answer.as_bytes()).await?;
        }
        received.clear();
    }
}

async fn write(stream: &mut TcpStream, act: Act, answer: &[u8]) -> Option<()> {
    match act {
        Act::TakeAndBreak => return None,
        Act::TakeAndBreakWithin => {
            stream.write_all(&answer[..answer.len() / 2]).await.ok()?;
            return None;
        }
        Act::TakeAndDribble => {
            for byte in answer {
                stream.write_all(&[*byte]).await.ok()?;
                tokio::task::yield_now().await;
            }
        }
        _ => stream.write_all(answer).await.ok()?,
    }
    Some(())
}

async fn read(stream: &mut TcpStream, received: &mut Vec<u8>) -> Option<()> {
    let count = stream.read_buf(received).await.ok()?;
    (count > 0).then_some(())
}

fn field<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap()
}

fn decode(head: &str, body: &[u8]) -> Vec<Value> {
    let parse = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap();
    match field(head, "Content-Type") {
        "application/cloudevents+json" => vec![parse(body)],
        "application/cloudevents-batch+json" => parse(body).as_array().unwrap().clone(),
        "application/x-ndjson" => {
            body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(parse).collect()
        }
        "application/vnd.apache.arrow.stream" => decode_arrow(body),
        other => panic!("{other}"),
    }
}

fn decode_arrow(body: &[u8]) -> Vec<Value> {
    let mut events = Vec::new();
    for batch in StreamReader::try_new(body, None).unwrap() {
        let batch = batch.unwrap();
        let text =
            |name: &str, row: usize| batch.column_by_name(name).unwrap().as_string::<i32>().value(row).to_owned();
        let times = batch.column_by_name("time").unwrap();
        let times = times.as_primitive::<arrow_array::types::TimestampMicrosecondType>();
        for row in 0..batch.num_rows() {
            let data: Value = serde_json::from_str(&text("data", row)).unwrap();
            events.push(json!({
                "id": text("id", row), "source": text("source", row), "type": text("type", row),
                "subject": text("subject", row), "time": times.value_as_datetime(row).unwrap().to_string(), "data": data,
            }));
        }
    }
    events
}

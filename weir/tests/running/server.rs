//! A server as users run it: the binary, on a free port, with a data folder of its own and the catalog of `weir demo`.
#![allow(dead_code, reason = "each test uses a part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

const WEIR: &str = env!("CARGO_BIN_EXE_weir");

/// A server that runs until it is dropped.
pub struct Running {
    process: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// An administrator's.
    pub key: String,
    agent: ureq::Agent,
    _folder: TempDir,
}

/// What it answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub text: String,
    pub headers: ureq::http::HeaderMap,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Status and code of a problem, which it must be.
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(self.content_type, "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self:?}");
        let code = problem["code"].as_str().unwrap().to_owned();
        assert_eq!(problem["type"], format!("/docs#problem-{code}"));
        (self.status, code)
    }
}

impl Running {
    /// Starts a server with these variables beside its own.
    pub fn start(variables: &[(&str, &str)]) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let weir = |arguments: &[&str]| {
            let mut command = Command::new(WEIR);
            command.args(arguments).env("WEIR_DATA__FOLDER", &data).env("WEIR_SERVER__LISTEN", "127.0.0.1:0");
            command.env("WEIR_LOG__FREE_BYTES_MIN", "1MiB").env("WEIR_TELEMETRY__LOG_FORMAT", "json");
            command.envs(variables.iter().copied());
            command
        };
        let made = weir(&["keys", "create", "--name", "tests", "--role", "admin"]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        let mut process = weir(&["serve"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let address = address(&mut log);
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let running = Running { process, address, key, agent: config.into(), _folder: folder };
        let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/catalogs/ai-api.toml");
        let catalog = std::fs::read(catalog).unwrap();
        let put = running.send("PUT", "/v1/catalog", &[("content-type", "application/toml")], &catalog);
        assert_eq!(put.status, 200, "{put:?}");
        running
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends a request as an administrator, unless the headers hold another key; an empty one is none.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url()));
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", format!("Bearer {}", self.key));
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        let mut response = self.agent.run(request.body(body).unwrap()).unwrap();
        let content_type = response.headers().get("content-type");
        Answer {
            status: response.status().as_u16(),
            content_type: content_type.map_or_else(String::new, |value| value.to_str().unwrap().to_owned()),
            text: response.body_mut().read_to_string().unwrap(),
            headers: response.headers().clone(),
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    /// Sends events.
    pub fn events(&self, content_type: &str, body: &[u8]) -> Answer {
        self.send("POST", "/v1/events", &[("content-type", content_type)], body)
    }

    /// Makes a key; what it says is the fields of `POST /v1/keys`.
    pub fn new_key(&self, fields: &Value) -> (String, String) {
        let made = self.send("POST", "/v1/keys", &[], fields.to_string().as_bytes());
        assert_eq!(made.status, 201, "{made:?}");
        let made = made.json();
        (made["id"].as_str().unwrap().to_owned(), format!("Bearer {}", made["key"].as_str().unwrap()))
    }

    /// Opens a connection and writes this.
    pub fn connect(&self, text: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(2))).unwrap();
        stream.write_all(text).unwrap();
        stream
    }

    /// The memory that the process has now.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which a test would have noticed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads the log up to the line that says where the server listens.
fn address(log: &mut impl BufRead) -> SocketAddr {
    let mut read = String::new();
    for line in log.lines() {
        let line = line.unwrap();
        let entry: Value = serde_json::from_str(&line).unwrap_or_default();
        if entry["fields"]["message"] == "ready" {
            return entry["fields"]["address"].as_str().unwrap().parse().unwrap();
        }
        read.push_str(&line);
    }
    panic!("the server did not start: {read}");
}

/// Reads until the other side has no more, or breaks off.
pub fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A server that does not want the rest of a request resets the connection behind its answer.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An event as a line.
pub fn event(id: &str, tokens: u64) -> String {
    format!(
        "{{\"specversion\":\"1.0\",\"id\":\"{id}\",\"source\":\"/tests\",\"type\":\"llm.completion\",\"subject\":\"acme\",\
         \"data\":{{\"model\":\"swift-3\",\"input_tokens\":{tokens}}}}}\n"
    )
}

//! The real server as a process, on a folder of its own: started, killed, started again where it was.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::Value;
use weir_loadtest::driver::Server;

/// Where a server listens, on which folder, and under which variables beside.
#[derive(Debug, Clone)]
pub struct Place<'p> {
    /// The data folder.
    pub data: &'p Path,
    /// Its port stays the same over restarts.
    pub url: String,
    /// Variables of the configuration.
    pub variables: Vec<(&'p str, &'p str)>,
}

/// A server that runs.
#[derive(Debug)]
pub struct Process {
    child: Child,
    ready: Receiver<()>,
    told: thread::JoinHandle<String>,
}

/// A URL of this machine whose port is free.
pub fn free_url() -> String {
    format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

impl Place<'_> {
    /// For clients.
    pub fn server(&self) -> Server {
        Server::parse(&self.url, None).unwrap()
    }

    /// A command with the server's configuration, behind `before` if there is to be something.
    pub fn command(&self, before: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_weir");
        let words: Vec<&str> = before.iter().copied().chain([program]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env("WEIR_DATA__FOLDER", self.data).envs(self.variables.iter().copied());
        command.env("WEIR_SERVER__LISTEN", self.url.trim_start_matches("http://"));
        command.env("WEIR_TELEMETRY__LOG_FORMAT", "json");
        command
    }

    /// Starts it; it may not be ready yet.
    pub fn start(&self, before: &[&str]) -> Process {
        let mut command = self.command(before);
        let mut child = command.arg("serve").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, ready) = channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let told = thread::spawn(move || {
            let mut told = String::new();
            for line in lines.map_while(Result::ok) {
                let is_ready =
                    serde_json::from_str::<Value>(&line).is_ok_and(|line| line["fields"]["message"] == "ready");
                if is_ready {
                    // Nobody may wait for it.
                    let _ = tell.send(());
                }
                told.push_str(&line);
                told.push('\n');
            }
            told
        });
        Process { child, ready, told }
    }

    /// Asks it something.
    pub fn get(&self, path: &str) -> Value {
        let mut response = ureq::get(format!("{}{path}", self.url)).call().unwrap();
        serde_json::from_slice(&response.body_mut().read_to_vec().unwrap()).unwrap()
    }

    /// Makes a change.
    pub fn change(&self, method: &str, path: &str, (content_type, body): (&str, &str)) {
        let url = format!("{}{path}", self.url);
        let request = if method == "PUT" { ureq::put(url) } else { ureq::post(url) };
        let sent = request.header("content-type", content_type).send(body);
        assert!(sent.is_ok(), "{method} {path}: {sent:?}");
    }

    /// Runs a command on the folder of a server that does not run; what it prints.
    pub fn offline(&self, arguments: &[&str]) -> String {
        let output = self.command(&[]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Process {
    /// Waits until it takes requests.
    ///
    /// # Panics
    /// If it ends instead.
    pub fn until_ready(&mut self) {
        if self.ready.recv().is_err() {
            let status = self.child.wait().unwrap();
            panic!("the server has ended: {status}");
        }
    }

    /// Ends it at once, as `kill -9` does; what it has said.
    pub fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.told.join().unwrap()
    }

    /// Asks it to end, and waits for that.
    pub fn stop(mut self) -> String {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let status = self.child.wait().unwrap();
        let told = self.told.join().unwrap();
        assert!(status.success(), "{status}: {told}");
        told
    }
}

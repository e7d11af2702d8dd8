//! The settings, typed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{ConfigError, Entry};

/// What the server reads. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Addresses, connections and deadlines.
    pub server: Server,
    /// Certificate and key; plain HTTP without.
    pub tls: Option<Tls>,
    /// What the server keeps.
    pub data: Data,
    /// What a request may bring.
    pub ingest: Ingest,
    /// The log.
    pub log: Log,
    /// When snapshots are taken.
    pub snapshots: Snapshots,
    /// What recognises repeated events.
    pub identities: Identities,
    /// When archive files end.
    pub archive: Option<Archive>,
    /// What the server tells about itself.
    pub telemetry: Telemetry,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Connections at the same time.
    pub connections_max: usize,
    /// How long headers may take.
    pub header_timeout: Duration,
    /// How long a body may pause.
    pub body_idle_timeout: Duration,
    /// How long requests under way may take when the server stops.
    pub drain_timeout: Duration,
}

/// `[tls]`: PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// `[data]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// The folder of everything.
    pub folder: PathBuf,
    /// Number of shards.
    pub shards: u16,
    /// 0: one per core.
    pub threads: usize,
}

/// `[ingest]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingest {
    /// Decompressed bytes of a body that is not NDJSON.
    pub body_bytes_max: u64,
    /// Events of such a body.
    pub batch_events_max: usize,
    /// Bytes that requests may hold together.
    pub in_flight_bytes_max: u64,
    /// `None`: any time will do.
    pub clock_skew_max: Option<Duration>,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Length of a segment.
    pub segment_bytes: u64,
    /// Bytes of the disk that stay free.
    pub free_bytes_min: u64,
}

/// `[snapshots]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshots {
    /// Bytes of log between two snapshots.
    pub every_log_bytes: u64,
}

/// `[identities]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identities {
    /// Memory for identities.
    pub memory_bytes: u64,
    /// Identities within the window.
    pub count_max: u64,
}

/// `[archive]`, if it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// Events of a file.
    pub batch_events: u64,
    /// Log time of a file.
    pub batch_span: Duration,
}

/// `[telemetry]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// How log lines are written.
    pub log_format: LogFormat,
    /// The least important level that is written.
    pub log_level: String,
    /// Where traces go.
    pub otlp_endpoint: Option<String>,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Takes values out of entries and remembers what is wrong with them.
struct Taker<'e> {
    entries: &'e [Entry],
    problems: Vec<ConfigError>,
}

impl Settings {
    /// From entries that have the sample's keys and types.
    pub(super) fn of(entries: &[Entry]) -> Result<Settings, Vec<ConfigError>> {
        let mut take = Taker { entries, problems: Vec::new() };
        let settings = Settings {
            server: Server {
                listen: take.text("server.listen", |text| {
                    text.parse().map_err(|_| "write an address and a port, as 127.0.0.1:8080".to_owned())
                }),
                connections_max: take.number("server.connections_max", 1..=1_000_000),
                header_timeout: take.seconds("server.header_timeout_s", 1),
                body_idle_timeout: take.seconds("server.body_idle_timeout_s", 1),
                drain_timeout: take.seconds("server.drain_timeout_s", 0),
            },
            tls: take.tls(),
            data: Data {
                folder: take.text("data.folder", |text| Ok(PathBuf::from(text))),
                shards: take.number("data.shards", 1..=4096),
                threads: take.number("data.threads", 0..=1024),
            },
            ingest: Ingest {
                body_bytes_max: take.size("ingest.body_bytes_max"),
                batch_events_max: take.number("ingest.batch_events_max", 1..=10_000_000),
                in_flight_bytes_max: take.size("ingest.in_flight_bytes_max"),
                clock_skew_max: Some(take.seconds("ingest.clock_skew_max_s", 0)).filter(|skew| !skew.is_zero()),
            },
            log: Log { segment_bytes: take.size("log.segment_bytes"), free_bytes_min: take.size("log.free_bytes_min") },
            snapshots: Snapshots { every_log_bytes: take.size("snapshots.every_log_bytes") },
            identities: Identities {
                memory_bytes: take.size("identities.memory_bytes"),
                count_max: take.number("identities.count_max", 1..=i64::MAX),
            },
            archive: take.archive(),
            telemetry: Telemetry {
                log_format: take
                    .choice("telemetry.log_format", &[("text", LogFormat::Text), ("json", LogFormat::Json)]),
                log_level: take
                    .choice("telemetry.log_level", &["error", "warn", "info", "debug", "trace"].map(|l| (l, l)))
                    .to_owned(),
                otlp_endpoint: take
                    .text("telemetry.otlp_endpoint", |text| Ok(Some(text.to_owned()).filter(|t| !t.is_empty()))),
            },
        };
        if take.problems.is_empty() { Ok(settings) } else { Err(take.problems) }
    }
}

impl<'e> Taker<'e> {
    /// The entries are those of the sample.
    fn entry(&self, name: &str) -> &'e Entry {
        self.entries.iter().find(|entry| entry.name() == name).expect("the sample has every key")
    }

    fn wrong(&mut self, name: &str, reason: String) {
        let place = self.entry(name).place();
        self.problems.push(ConfigError::Invalid { place, key: name.to_owned(), reason });
    }

    /// A text as something else; on a problem, what the default says.
    fn text<T>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> T {
        let text = self.entry(name).value.as_str().unwrap_or_default();
        read(text).unwrap_or_else(|reason| {
            self.wrong(name, reason);
            read(default_text(name).as_str()).unwrap_or_else(|reason| unreachable!("the sample's {name}: {reason}"))
        })
    }

    fn size(&mut self, name: &str) -> u64 {
        self.text(name, crate::memory::parse)
    }

    fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> T {
        self.text(name, |text| {
            let choice = choices.iter().find(|(choice, _)| *choice == text).map(|(_, value)| *value);
            choice.ok_or_else(|| {
                let names: Vec<String> = choices.iter().map(|(choice, _)| format!("{choice:?}")).collect();
                format!("{text:?} is none of {}", names.join(", "))
            })
        })
    }

    fn number<T: TryFrom<i64> + Default>(&mut self, name: &str, range: std::ops::RangeInclusive<i64>) -> T {
        let number = self.entry(name).value.as_integer().unwrap_or_default();
        if !range.contains(&number) {
            self.wrong(name, format!("{number} is not between {} and {}", range.start(), range.end()));
        }
        T::try_from(number).unwrap_or_default()
    }

    fn seconds(&mut self, name: &str, least: i64) -> Duration {
        Duration::from_secs(self.number(name, least..=31_536_000))
    }

    fn tls(&mut self) -> Option<Tls> {
        let [certificate, key] =
            ["tls.certificate", "tls.key"].map(|name| self.text(name, |text| Ok(PathBuf::from(text))));
        let is_missing = |path: &PathBuf| path.as_os_str().is_empty();
        match (is_missing(&certificate), is_missing(&key)) {
            (true, true) => None,
            (false, false) => Some(Tls { certificate, key }),
            (true, false) => {
                self.wrong("tls.certificate", "a key needs its certificate beside it".to_owned());
                None
            }
            (false, true) => {
                self.wrong("tls.key", "a certificate needs its key beside it".to_owned());
                None
            }
        }
    }

    fn archive(&mut self) -> Option<Archive> {
        let is_on = self.choice("archive.mode", &[("on", true), ("off", false)]);
        let archive = Archive {
            batch_events: self.number("archive.batch_events", 1..=100_000_000),
            batch_span: self.seconds("archive.batch_span_s", 1),
        };
        is_on.then_some(archive)
    }
}

fn default_text(name: &str) -> String {
    let entries = super::entries_of(super::DEFAULT).expect("the sample is valid");
    let entry = entries.into_iter().find(|entry| entry.name() == name).expect("the sample has every key");
    entry.value.as_str().unwrap_or_default().to_owned()
}

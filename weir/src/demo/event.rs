//! One event of the demo's month as its sender knows it, and the line it becomes.

use std::io::Write;

use super::cast::{AUGUST, DAY, HOUR};

/// A client that sends events: its CloudEvents `source` and its habits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// CloudEvents `source`.
    pub source: &'static str,
    /// The finest unit of its clock, in microseconds.
    pub tick: i64,
    /// How it writes times.
    clock: Clock,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clock {
    Utc,
    Local,
}

/// The clients that customers use.
pub const CLIENTS: [Client; 5] = [
    Client { source: "/sdk/python/3.4.1", tick: 1, clock: Clock::Utc },
    Client { source: "/sdk/node/2.9.0", tick: 1_000, clock: Clock::Utc },
    Client { source: "/sdk/go/1.12.3", tick: 1, clock: Clock::Utc },
    Client { source: "/sdk/java/0.8.7", tick: 1_000, clock: Clock::Local },
    Client { source: "/gateway/eu-west-3", tick: 1_000_000, clock: Clock::Utc },
];

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// A model answered.
    Completion {
        /// Which one.
        model: &'static str,
        /// Tokens read.
        input: u64,
        /// Tokens written.
        output: u64,
        /// Number of the customer's user.
        user: u64,
    },
    /// A picture was made.
    Image {
        /// How large.
        resolution: &'static str,
    },
    /// The number of seats changed.
    Seats(u64),
    /// Storage was measured, in thousandths of a GB.
    Storage(u64),
    /// A model was fine-tuned; what it cost, in thousandths of a dollar.
    Training(u64),
    /// An API key was used: nobody charges for that.
    KeyUsed(u64),
}

impl Body {
    /// CloudEvents `type`.
    pub fn type_name(self) -> &'static str {
        match self {
            Body::Completion { .. } => "llm.completion",
            Body::Image { .. } => "image.generated",
            Body::Seats(_) => "seats.changed",
            Body::Storage(_) => "storage.measured",
            Body::Training(_) => "training.finished",
            Body::KeyUsed(_) => "api_key.used",
        }
    }
}

/// An event.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// 128 random bits.
    pub id: u128,
    /// Who sends it.
    pub client: Client,
    /// Whose usage it is.
    pub subject: &'static str,
    /// When it happened, in microseconds since 1970.
    pub time: i64,
    /// The sender's offset from UTC in hours.
    pub utc_offset: i64,
    /// What happened.
    pub body: Body,
}

impl Event {
    /// Appends the event as a line of NDJSON.
    pub fn write_to(&self, line: &mut Vec<u8>) {
        line.extend_from_slice(br#"{"specversion":"1.0","id":""#);
        self.write_id(line);
        line.extend_from_slice(br#"","source":""#);
        line.extend_from_slice(self.client.source.as_bytes());
        line.extend_from_slice(br#"","type":""#);
        line.extend_from_slice(self.body.type_name().as_bytes());
        line.extend_from_slice(br#"","subject":""#);
        line.extend_from_slice(self.subject.as_bytes());
        line.extend_from_slice(br#"","time":""#);
        self.write_time(line);
        line.extend_from_slice(br#"","data":{"#);
        self.write_data(line);
        line.extend_from_slice(b"}}\n");
    }

    /// A version 4 UUID.
    fn write_id(&self, line: &mut Vec<u8>) {
        let bits = self.id & !(0xF << 76) & !(0b11 << 62) | (0x4 << 76) | (0b10 << 62);
        let start = line.len();
        // 32 digits fit; a Vec takes everything.
        let _ = write!(line, "{bits:032x}");
        for place in [8, 13, 18, 23] {
            line.insert(start + place, b'-');
        }
    }

    fn write_time(&self, line: &mut Vec<u8>) {
        let offset = if self.client.clock == Clock::Local { self.utc_offset } else { 0 };
        let local = self.time - AUGUST + offset * HOUR;
        let (month, day) = match local.div_euclid(DAY) {
            31.. => (9, local.div_euclid(DAY) - 30),
            before if before < 0 => (7, 32 + before),
            day => (8, day + 1),
        };
        let within = local.rem_euclid(DAY);
        let (hour, minute, second) = (within / HOUR, within / 60_000_000 % 60, within / 1_000_000 % 60);
        let _ = write!(line, "2026-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        match self.client.tick {
            1 => drop(write!(line, ".{:06}", within % 1_000_000)),
            1_000 => drop(write!(line, ".{:03}", within % 1_000_000 / 1_000)),
            _ => {}
        }
        match self.client.clock {
            Clock::Utc => line.push(b'Z'),
            Clock::Local => drop(write!(line, "{}{:02}:00", if offset < 0 { '-' } else { '+' }, offset.abs())),
        }
    }

    fn write_data(&self, line: &mut Vec<u8>) {
        let _ = match self.body {
            Body::Completion { model, input, output, user } => write!(
                line,
                r#""model":"{model}","input_tokens":{input},"output_tokens":{output},"user":"u-{user:04}""#
            ),
            Body::Image { resolution } => write!(line, r#""resolution":"{resolution}","steps":28"#),
            Body::Seats(seats) => write!(line, r#""seats":{seats}"#),
            Body::Storage(thousandths) => write!(line, r#""gigabytes":{}"#, Thousandths(thousandths)),
            Body::Training(cost) => write!(line, r#""model":"swift-3","cost":"{}""#, Thousandths(cost)),
            Body::KeyUsed(key) => write!(line, r#""key":"key-{key:03}""#),
        };
    }
}

/// A number with three decimals.
struct Thousandths(u64);

impl std::fmt::Display for Thousandths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000, self.0 % 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let base = Event {
            id: 0x0123_4567_89ab_cdef,
            client: CLIENTS[0],
            subject: "s",
            time: AUGUST + 1,
            utc_offset: -4,
            body: Body::Seats(7),
        };
        let java = Event { client: CLIENTS[3], time: AUGUST + 1_500, body: Body::Storage(12_034), ..base };
        let late = Event { client: CLIENTS[3], utc_offset: 10, time: AUGUST + 31 * DAY - HOUR, ..base };
        let gateway = Event { client: CLIENTS[4], time: AUGUST + 31 * DAY + HOUR, body: Body::Training(5), ..base };
        let head = r#"{"specversion":"1.0","id":"00000000-0000-4000-8123-456789abcdef","source":"#;
        for (event, rest) in [
            (
                base,
                r#""/sdk/python/3.4.1","type":"seats.changed","subject":"s","time":"2026-08-01T00:00:00.000001Z","data":{"seats":7}}"#,
            ),
            (
                java,
                r#""/sdk/java/0.8.7","type":"storage.measured","subject":"s","time":"2026-07-31T20:00:00.001-04:00","data":{"gigabytes":12.034}}"#,
            ),
            (
                late,
                r#""/sdk/java/0.8.7","type":"seats.changed","subject":"s","time":"2026-09-01T09:00:00.000+10:00","data":{"seats":7}}"#,
            ),
            (
                gateway,
                r#""/gateway/eu-west-3","type":"training.finished","subject":"s","time":"2026-09-01T01:00:00Z","data":{"model":"swift-3","cost":"0.005"}}"#,
            ),
        ] {
            let mut line = Vec::new();
            event.write_to(&mut line);
            assert_eq!(String::from_utf8(line).unwrap(), format!("{head}{rest}\n"));
        }
    }
}

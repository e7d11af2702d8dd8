//! A job's text: one CloudEvent a line, 244 bytes of it with two fields in `data`, written without an allocation.
//!
//! A repeat is written from what the event says and nothing else, so it is equal byte for byte.

use super::{Event, Job, MONTH_SECONDS, MONTH_STARTS_AT};
use crate::workload::digits::write_padded;

const REGIONS: [&str; 4] = ["eu-west-1", "us-east-1", "ap-south-1", "us-west-2"];
/// What sends events.
const GATEWAYS: u64 = 16;
/// Digits of an id, in groups.
const ID_GROUPS: [u32; 5] = [8, 4, 4, 4, 12];
/// Digits of an opaque text, of which the first is never that of a number.
const TEXT_DIGITS: u32 = 12;
/// Numbers that nobody reads are below this.
const NUMBER_MAX: u64 = 1_000_000;
/// Fields beside those that nobody reads: `value` and `region`.
const FIELDS_READ: u32 = 2;

impl Job {
    /// Appends an event's line.
    #[inline]
    pub fn write_line(&self, event: &Event, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"specversion":"1.0","id":""#);
        event.write_id(out);
        out.extend_from_slice(br#"","source":""#);
        event.write_source(out);
        out.extend_from_slice(br#"","type":""#);
        event.write_type(out);
        out.extend_from_slice(br#"","subject":""#);
        event.write_subject(out);
        out.extend_from_slice(br#"","time":""#);
        self.write_time(event, out);
        out.extend_from_slice(br#"","datacontenttype":"application/json","data":"#);
        self.write_data(event, out);
        out.extend_from_slice(b"}\n");
    }

    /// Appends the event's time.
    pub fn write_time(&self, event: &Event, out: &mut Vec<u8>) {
        let second = self.second_of(event);
        out.extend_from_slice(b"2026-08-");
        write_padded(out, second / 86_400 + 1, 2);
        for (before, part) in [(b'T', second / 3_600 % 24), (b':', second / 60 % 60), (b':', second % 60)] {
            out.push(before);
            write_padded(out, part, 2);
        }
        out.push(b'.');
        write_padded(out, event.first % 1_000, 3);
        out.push(b'Z');
    }

    /// The event's time in milliseconds since 1970.
    pub fn time_ms(&self, event: &Event) -> u64 {
        (MONTH_STARTS_AT + self.second_of(event)) * 1_000 + event.first % 1_000
    }

    /// The second of the month that the event is in.
    fn second_of(&self, event: &Event) -> u64 {
        event.first * MONTH_SECONDS / self.shape.lines
    }

    /// Appends the event's `data`.
    pub fn write_data(&self, event: &Event, out: &mut Vec<u8>) {
        out.push(b'{');
        self.write_fields(event, out);
        out.push(b'}');
    }

    /// Half of the fields that nobody reads stand before the one that the meters read.
    fn write_fields(&self, event: &Event, out: &mut Vec<u8>) {
        let unread = self.shape.fields - FIELDS_READ;
        let mut rest = event.rest.clone();
        for field in 0..unread / 2 {
            write_field(field, rest.next(), out);
            out.push(b',');
        }
        out.extend_from_slice(br#""value":"#);
        write_padded(out, event.value, 1);
        out.extend_from_slice(br#","region":""#);
        out.extend_from_slice(event.region().as_bytes());
        out.push(b'"');
        for field in unread / 2..unread {
            out.push(b',');
            write_field(field, rest.next(), out);
        }
    }
}

impl Event {
    /// Appends its id, in the form of a UUID.
    pub fn write_id(&self, out: &mut Vec<u8>) {
        let mut bits = self.id;
        for (number, digits) in ID_GROUPS.into_iter().enumerate() {
            if number > 0 {
                out.push(b'-');
            }
            for _ in 0..digits {
                out.push(hex_digit(bits >> 124));
                bits <<= 4;
            }
        }
    }

    /// Appends its source.
    pub fn write_source(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"/svc/gw-");
        write_padded(out, self.first % GATEWAYS, 2);
    }

    /// Appends its type.
    pub fn write_type(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"meter.m");
        write_padded(out, self.meter.into(), 2);
    }

    /// Appends its subject.
    pub fn write_subject(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"cust_");
        write_padded(out, self.customer.into(), 6);
    }

    /// Where it comes from: each meter has its region.
    pub fn region(&self) -> &'static str {
        let four = usize::try_from(self.meter).unwrap_or(0) % REGIONS.len();
        REGIONS[four]
    }
}

/// A field that nobody reads: a text, a number, a truth.
fn write_field(field: u32, bits: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(br#""field_"#);
    write_padded(out, field.into(), 2);
    out.extend_from_slice(br#"":"#);
    match field % 3 {
        0 => {
            out.push(b'"');
            (0..TEXT_DIGITS).for_each(|digit| out.push(hex_digit(u128::from(bits >> (4 * digit)))));
            out.push(b'"');
        }
        1 => write_padded(out, bits % NUMBER_MAX, 1),
        _ => out.extend_from_slice(if bits & 1 == 0 { b"false" } else { b"true" }),
    }
}

/// Of the four lowest bits.
#[inline]
fn hex_digit(bits: u128) -> u8 {
    // Four bits are an index.
    b"0123456789abcdef"[usize::try_from(bits & 15).unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::job::{Job, Shape};

    #[test]
    fn lines_look_like_this() {
        let line = |fields, line| {
            let job = Job::new(Shape { fields, ..Shape::JOB_J }).unwrap();
            let mut out = Vec::new();
            job.write_line(&job.event(line), &mut out);
            String::from_utf8(out).unwrap()
        };
        let last = line(2, 3_999_999);
        expect![[r#"
            {"specversion":"1.0","id":"bd432abb-3124-d2c9-200a-3ebc4435059f","source":"/svc/gw-15","type":"meter.m15","subject":"cust_098394","time":"2026-08-31T23:59:59.999Z","datacontenttype":"application/json","data":{"value":348,"region":"us-west-2"}}
        "#]]
        .assert_eq(&last);
        expect![[r#"
            {"specversion":"1.0","id":"e4a882d4-5ef0-f9be-8553-c3f2dd6fdb1f","source":"/svc/gw-00","type":"meter.m18","subject":"cust_071791","time":"2026-08-01T00:00:00.000Z","datacontenttype":"application/json","data":{"field_00":"28f9e1f3788c","field_01":305536,"value":408,"region":"ap-south-1","field_02":false,"field_03":"62aaacd03283","field_04":477490}}
        "#]].assert_eq(&line(7, 0));
    }
}

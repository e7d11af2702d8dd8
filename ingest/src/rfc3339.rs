//! RFC 3339 timestamps to microseconds since 1970, without allocation and without a time zone library.
//!
//! Owns: the grammar `YYYY-MM-DDTHH:MM:SS[.f+](Z|±HH:MM)` and the range of event times (design.md 4). What is finer than a
//! microsecond is dropped; second 60 (a leap second) counts as 59, as jiff has it.

use weir_model::time::Instant;

/// Why a text is no event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimeFault {
    /// Not RFC 3339, or no such day.
    #[error("is not an RFC 3339 time")]
    Malformed,
    /// A time outside 1970 to 2199.
    #[error("is outside 1970 to 2199")]
    OutOfRange,
}

/// Microseconds in a second, a minute, an hour, a day.
const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The last date read: consecutive events mostly share it.
#[derive(Debug, Clone, Copy)]
pub struct DateCache {
    /// `YYYY-MM-` and `DD`.
    date: (u64, u16),
    midnight: i64,
}

impl Default for DateCache {
    fn default() -> DateCache {
        DateCache { date: (u64::from_le_bytes(*b"1970-01-"), u16::from_le_bytes(*b"01")), midnight: 0 }
    }
}

/// Parses a whole text.
pub fn parse(text: &[u8]) -> Result<Instant, TimeFault> {
    let (instant, length) = prefix(text, &mut DateCache::default())?;
    if length == text.len() { Ok(instant) } else { Err(TimeFault::Malformed) }
}

/// Parses the timestamp that `text` begins with, and its length.
#[inline]
pub fn prefix(text: &[u8], cache: &mut DateCache) -> Result<(Instant, usize), TimeFault> {
    let Some((head, rest)) = text.split_first_chunk::<19>() else { return Err(TimeFault::Malformed) };
    let [y0, y1, y2, y3, d0, m0, m1, d1, a0, a1, t, clock @ ..] = *head;
    if t | 0x20 != b't' {
        return Err(TimeFault::Malformed);
    }
    let date = (u64::from_le_bytes([y0, y1, y2, y3, d0, m0, m1, d1]), u16::from_le_bytes([a0, a1]));
    if date != cache.date {
        let midnight = midnight([y0, y1, y2, y3, d0, m0, m1, d1, a0, a1]).ok_or(TimeFault::Malformed)?;
        *cache = DateCache { date, midnight };
    }
    let mut micros = cache.midnight + time_of_day(clock).ok_or(TimeFault::Malformed)?;
    // Milliseconds in UTC are what most producers write.
    if let [b'.', a, b, c, b'Z', ..] = *rest
        && let [a @ 0..=9, b @ 0..=9, c @ 0..=9] = [a, b, c].map(|digit| digit.wrapping_sub(b'0'))
    {
        micros += i64::from(u32::from(a) * 100_000 + u32::from(b) * 10_000 + u32::from(c) * 1000);
        return in_range(micros).map(|instant| (instant, 24));
    }
    let mut length = 19;
    let mut zone = rest;
    if let Some((b'.', fraction)) = rest.split_first() {
        let (value, digits) = fraction_micros(fraction);
        if digits == 0 {
            return Err(TimeFault::Malformed);
        }
        micros += value;
        length += 1 + digits;
        zone = fraction.get(digits..).unwrap_or_default();
    }
    match *zone {
        [b'Z' | b'z', ..] => length += 1,
        [sign @ (b'+' | b'-'), h0, h1, b':', m0, m1, ..] => {
            let (hours, minutes) = two(h0, h1).zip(two(m0, m1)).ok_or(TimeFault::Malformed)?;
            if hours > 23 || minutes > 59 {
                return Err(TimeFault::Malformed);
            }
            let offset = hours * HOUR + minutes * MINUTE;
            micros += if sign == b'+' { -offset } else { offset };
            length += 6;
        }
        _ => return Err(TimeFault::Malformed),
    }
    in_range(micros).map(|instant| (instant, length))
}

#[inline(always)]
fn in_range(micros: i64) -> Result<Instant, TimeFault> {
    let instant = Instant::from_micros(micros);
    if instant < Instant::EVENT_MIN || instant >= Instant::EVENT_END { Err(TimeFault::OutOfRange) } else { Ok(instant) }
}

/// `HH:MM:SS` in microseconds, eight bytes at a time.
#[inline(always)]
fn time_of_day(clock: [u8; 8]) -> Option<i64> {
    // Digits become 0 to 9 and colons 0; adding then lifts whatever is larger into a byte's highest bit.
    let digits = u64::from_le_bytes(clock) ^ u64::from_le_bytes(*b"00:00:00");
    let lifted = digits.wrapping_add(0x7676_7F76_767F_7676);
    if (digits | lifted) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    // At most 9 * 10 + 9 in each byte: nothing carries.
    let [hour, _, _, minute, _, _, second, _] = (digits * 10 + (digits >> 8)).to_le_bytes().map(i64::from);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(hour * HOUR + minute * MINUTE + second.min(59) * SECOND)
}

/// Microseconds of a fraction's digits, and how many digits there are.
#[inline(always)]
fn fraction_micros(text: &[u8]) -> (i64, usize) {
    let mut value = 0;
    let mut unit = SECOND / 10;
    let mut digits = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value += i64::from(digit) * unit;
        unit /= 10;
        digits += 1;
    }
    (value, digits)
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i64::from(tens) * 10 + i64::from(ones))
}

/// Midnight UTC of `YYYY-MM-DD`.
fn midnight([y0, y1, y2, y3, dash0, m0, m1, dash1, d0, d1]: [u8; 10]) -> Option<i64> {
    let year = two(y0, y1)? * 100 + two(y2, y3)?;
    let (month, day) = (two(m0, m1)?, two(d0, d1)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if dash0 != b'-' || dash1 != b'-' || day < 1 || day > days {
        return None;
    }
    // Days from civil (Howard Hinnant, "chrono-compatible low-level date algorithms"), with years that begin in March.
    let shifted = if month > 2 { year } else { year - 1 };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some((era * 146_097 + day_of_era - 719_468) * DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Ok(0)),
            ("2026-08-01T00:00:00.000Z", Ok(1_785_542_400_000_000)),
            ("2026-08-01t00:00:00.000z", Ok(1_785_542_400_000_000)),
            ("2026-08-01T02:00:00+02:00", Ok(1_785_542_400_000_000)),
            ("2026-07-31T18:30:00.5-05:30", Ok(1_785_542_400_500_000)),
            ("1970-01-01T00:00:00-00:00", Ok(0)),
            ("1970-01-01T00:00:00.000001Z", Ok(1)),
            ("1970-01-01T00:00:00.0000019Z", Ok(1)),
            ("1970-01-01T00:00:00.000000999999999999999999999999999Z", Ok(0)),
            ("2024-02-29T23:59:59Z", Ok(1_709_251_199_000_000)),
            ("2000-02-29T00:00:00Z", Ok(951_782_400_000_000)),
            ("2016-12-31T23:59:60Z", Ok(1_483_228_799_000_000)),
            ("2199-12-31T23:59:59.999999Z", Ok(7_258_118_399_999_999)),
            ("2200-01-01T00:00:00Z", Err(TimeFault::OutOfRange)),
            ("2199-12-31T23:00:00-01:00", Err(TimeFault::OutOfRange)),
            ("1969-12-31T23:59:59.999999Z", Err(TimeFault::OutOfRange)),
            ("1970-01-01T00:59:59+01:00", Err(TimeFault::OutOfRange)),
            ("0001-01-01T00:00:00Z", Err(TimeFault::OutOfRange)),
            ("0000-01-01T00:00:00Z", Err(TimeFault::OutOfRange)),
            ("9999-12-31T23:59:59Z", Err(TimeFault::OutOfRange)),
            ("2026-02-29T00:00:00Z", Err(TimeFault::Malformed)),
            ("2100-02-29T00:00:00Z", Err(TimeFault::Malformed)),
            ("2026-13-01T00:00:00Z", Err(TimeFault::Malformed)),
            ("2026-00-01T00:00:00Z", Err(TimeFault::Malformed)),
            ("2026-01-00T00:00:00Z", Err(TimeFault::Malformed)),
            ("2026-04-31T00:00:00Z", Err(TimeFault::Malformed)),
            ("2026-08-01T24:00:00Z", Err(TimeFault::Malformed)),
            ("2026-08-01T00:60:00Z", Err(TimeFault::Malformed)),
            ("2026-08-01T00:00:61Z", Err(TimeFault::Malformed)),
            ("2026-08-01T00:00:00", Err(TimeFault::Malformed)),
            ("2026-08-01T00:00:00.Z", Err(TimeFault::Malformed)),
            ("2026-08-01T00:00:00,5Z", Err(TimeFault::Malformed)),
            ("2026-08-01T00:00:00+0200", Err(TimeFault::Malformed)),
            ("2026-08-01T00:00:00+24:00", Err(TimeFault::Malformed)),
            ("2026-08-01T00:00:00+02:60", Err(TimeFault::Malformed)),
            ("2026-08-01T00:00:00Z ", Err(TimeFault::Malformed)),
            (" 2026-08-01T00:00:00Z", Err(TimeFault::Malformed)),
            ("2026-08-01 00:00:00Z", Err(TimeFault::Malformed)),
            ("2026-08-01T00:00Z", Err(TimeFault::Malformed)),
            ("20260801T000000Z", Err(TimeFault::Malformed)),
            ("2026-8-1T00:00:00Z", Err(TimeFault::Malformed)),
            ("-026-08-01T00:00:00Z", Err(TimeFault::Malformed)),
            ("2026/08/01T00:00:00Z", Err(TimeFault::Malformed)),
            ("2026-08-01T0\u{80}:00:0Z", Err(TimeFault::Malformed)),
            ("2026-08-01T00:0/:00Z", Err(TimeFault::Malformed)),
            ("2026-08-01T00:0::00Z", Err(TimeFault::Malformed)),
            ("2026-08-01T00000000Z", Err(TimeFault::Malformed)),
            ("1785542400", Err(TimeFault::Malformed)),
            ("", Err(TimeFault::Malformed)),
        ] {
            assert_eq!(parse(text.as_bytes()).map(Instant::micros), expected, "{text}");
        }
    }

    #[test]
    fn the_cache_changes_nothing() {
        let mut cache = DateCache::default();
        for text in ["1970-01-02T00:00:00Z", "1970-01-02T00:00:01Z", "1970-01-01T00:00:00Z", "1971-01-01T00:00:00Z"] {
            let cached = prefix(text.as_bytes(), &mut cache).map(|(instant, _)| instant);
            assert_eq!(cached, parse(text.as_bytes()), "{text}");
        }
        assert!(prefix(b"1970-13-02T00:00:00Z", &mut cache).is_err());
        assert!(prefix(b"1970-13-02T00:00:00Z", &mut cache).is_err());
    }

    #[test]
    fn every_day_agrees_with_jiff() {
        let mut date = jiff::civil::date(1970, 1, 1);
        while date.year() < 2200 {
            let expected = date.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_microsecond();
            assert_eq!(parse(format!("{date}T00:00:00Z").as_bytes()).map(Instant::micros), Ok(expected));
            date = date.tomorrow().unwrap();
        }
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_jiff(micros in -1_000_000_000_i64..7_258_118_401_000_000, minutes in -1439_i64..1440) {
            let at = jiff::Timestamp::from_microsecond(micros).unwrap();
            let offset = jiff::tz::Offset::from_seconds(i32::try_from(minutes * 60).unwrap()).unwrap();
            for text in [at.to_string(), at.display_with_offset(offset).to_string()] {
                let expected = jiff::Timestamp::from_microsecond(micros).unwrap().as_microsecond();
                let in_range = (0..7_258_118_400_000_000).contains(&micros);
                let expected = if in_range { Ok(expected) } else { Err(TimeFault::OutOfRange) };
                proptest::prop_assert_eq!(parse(text.as_bytes()).map(Instant::micros), expected, "{}", text);
            }
        }

        #[test]
        fn survives_any_bytes(text: Vec<u8>) {
            let _ = parse(&text);
        }

        #[test]
        fn accepts_what_jiff_accepts(at in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,9})?(Z|[+-][0-2][0-9]:[0-6][0-9])") {
            let ours = parse(at.as_bytes()).map(Instant::micros);
            match at.parse::<jiff::Timestamp>() {
                Ok(theirs) if (0..7_258_118_400_000_000).contains(&theirs.as_microsecond()) && theirs.as_nanosecond() >= 0 => {
                    // jiff also takes offsets of 24 and 25 hours, which RFC 3339 does not.
                    if !at.contains("+24") && !at.contains("-24") && !at.contains("+25") && !at.contains("-25") {
                        proptest::prop_assert_eq!(ours, Ok(theirs.as_microsecond()));
                    }
                }
                _ => proptest::prop_assert!(ours.is_err(), "{}", at),
            }
        }
    }
}

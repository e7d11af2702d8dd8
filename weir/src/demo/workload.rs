//! The month: which lines are written in which order. A pure function of the settings.
//!
//! Lines stand in the order of arrival. Most events arrive within seconds, some are held up for minutes, a few come days
//! late. Among them stand repeated, contradictory, broken, unmetered and unpriced ones, each booked as what it is.

use std::io::{self, Write};

use weir_model::verdict::UnpricedReason;

use super::broken::write_broken;
use super::cast::{AUGUST, CAST, DAY, HOUR, HOURS, Plan, Player, SEPTEMBER, player};
use super::event::{Body, CLIENTS, Event};
use super::prng::Prng;
use super::put_in::PutIn;

/// What decides a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Another seed, another month.
    pub seed: u64,
    /// Lines to write.
    pub events: u64,
}

/// Writes the month and says what is in it.
pub fn write_month(settings: Settings, out: &mut impl Write) -> io::Result<PutIn> {
    let mut month = Month::new(settings);
    let mut line = Vec::with_capacity(512);
    for (hour, lines) in lines_by_hour(settings.events).into_iter().enumerate() {
        let start = AUGUST + i64::try_from(hour).unwrap_or(0) * HOUR;
        let shares = Shares::new(start);
        for number in 0..lines {
            line.clear();
            month.write_line((start, number, lines), &shares, &mut line);
            month.put_in.lines += 1;
            month.put_in.bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
            out.write_all(&line)?;
        }
    }
    // The month's last event: at half past eleven at night in New York, where August lasts longest.
    line.clear();
    month.write_regular(player("northwind-research"), SEPTEMBER + 3 * HOUR + HOUR / 2, &mut line);
    month.put_in.lines += 1;
    month.put_in.bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
    out.write_all(&line)?;
    Ok(month.put_in)
}

/// Spreads all lines but the last over the hours of the month, in proportion to who is awake.
fn lines_by_hour(events: u64) -> Vec<u64> {
    let starts = (0..HOURS).map(|hour| AUGUST + hour * HOUR);
    let weights: Vec<u64> = starts.map(|start| Shares::new(start).total()).collect();
    let sum: u128 = weights.iter().copied().map(u128::from).sum();
    let (mut so_far, mut written) = (0_u128, 0);
    let lines = weights.into_iter().map(|weight| {
        so_far += u128::from(weight);
        let due = u128::from(events.saturating_sub(1)) * so_far / sum;
        // No more than `events`.
        let due = u64::try_from(due).unwrap_or(u64::MAX);
        let lines = due - written;
        written = due;
        lines
    });
    lines.collect()
}

/// How likely each player is to be next, as running sums.
struct Shares([u64; CAST.len()]);

impl Shares {
    fn new(hour_start: i64) -> Shares {
        let mut sum = 0;
        let mut sums = [0; CAST.len()];
        for (rank, player) in CAST.iter().enumerate() {
            sum += player.weight(rank, hour_start);
            sums[rank] = sum;
        }
        Shares(sums)
    }

    fn total(&self) -> u64 {
        self.0[CAST.len() - 1]
    }

    fn pick(&self, prng: &mut Prng) -> usize {
        let drawn = prng.below(self.total());
        self.0.partition_point(|sum| *sum <= drawn)
    }
}

/// What a line is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Regular,
    Duplicate,
    Conflict,
    Broken,
    NoCell,
    NotClaimed,
    BeforeStart,
}

/// Fates other than regular: how many in a million lines, and how many in the month at least, on average.
const FATES: [(Fate, u64, u64); 6] = [
    (Fate::Duplicate, 9_000, 40),
    (Fate::Conflict, 400, 20),
    (Fate::Broken, 1_600, 40),
    (Fate::NoCell, 500, 15),
    (Fate::NotClaimed, 300, 15),
    (Fate::BeforeStart, 300, 30),
];

/// Accepted events that may be sent again: some of them an hour ago, some days.
const REMEMBERED: usize = 512;

struct Month {
    settings: Settings,
    prng: Prng,
    put_in: PutIn,
    remembered: Vec<Event>,
    broken: u64,
    /// The greatest event_time so far.
    latest: i64,
}

impl Month {
    fn new(settings: Settings) -> Month {
        Month {
            settings,
            prng: Prng::new(settings.seed),
            put_in: PutIn::default(),
            remembered: Vec::with_capacity(REMEMBERED),
            broken: 0,
            latest: i64::MIN,
        }
    }

    /// Line `number` of `lines` in the hour that begins at `start`.
    fn write_line(&mut self, (start, number, lines): (i64, u64, u64), shares: &Shares, line: &mut Vec<u8>) {
        let hour = u64::try_from(HOUR).unwrap_or(u64::MAX);
        let within = (u128::from(number) * u128::from(hour) + u128::from(self.prng.below(hour))) / u128::from(lines);
        let arrival = start + i64::try_from(within).unwrap_or(0);
        let fate = self.fate();
        match fate {
            Fate::Duplicate if !self.remembered.is_empty() => self.write_duplicate(line),
            Fate::Conflict if !self.remembered.is_empty() => self.write_conflict(line),
            Fate::Broken => self.write_broken(shares, arrival, line),
            Fate::NoCell => self.write_unpriced(UnpricedReason::NoCell, arrival, line),
            Fate::NotClaimed => self.write_unpriced(UnpricedReason::SubjectNotClaimed, arrival, line),
            Fate::BeforeStart if arrival < CAST[player("vellum")].from => {
                self.write_unpriced(UnpricedReason::BeforeStart, arrival, line);
            }
            _ => {
                let player = shares.pick(&mut self.prng);
                let happened = self.delayed(player, arrival);
                self.write_regular(player, happened, line);
            }
        }
    }

    fn fate(&mut self) -> Fate {
        let mut drawn = self.prng.below(1_000_000);
        for (fate, per_million, least) in FATES {
            let share = per_million.max(least * 1_000_000 / self.settings.events.max(1));
            if drawn < share {
                return fate;
            }
            drawn -= share;
        }
        Fate::Regular
    }

    /// When an event happened that arrives at `arrival`.
    fn delayed(&mut self, player: usize, arrival: i64) -> i64 {
        let bound = match self.prng.below(1_000) {
            0..4 => 3 * DAY,
            4..50 => 10 * 60_000_000,
            _ => 2_000_000,
        };
        let delay = i64::try_from(self.prng.below(u64::try_from(bound).unwrap_or(0))).unwrap_or(0);
        // The month is complete in itself: nothing comes from before it.
        if arrival - delay < CAST[player].from { arrival } else { arrival - delay }
    }

    /// A new event that has a price or that nobody charges for.
    fn write_regular(&mut self, player: usize, happened: i64, line: &mut Vec<u8>) {
        let body = self.body(player);
        let event = self.event(player, happened, body);
        if event.time < self.latest {
            self.put_in.out_of_order += 1;
            self.put_in.late += u64::from(event.time < self.latest - HOUR);
        }
        self.latest = self.latest.max(event.time);
        self.put_in.book(player, &event);
        self.remember(event);
        event.write_to(line);
    }

    fn event(&mut self, player: usize, time: i64, body: Body) -> Event {
        let id = u128::from(self.prng.next()) << 64 | u128::from(self.prng.next());
        // A customer has one client, and a gateway beside it.
        let own = player % (CLIENTS.len() - 1);
        let client = if self.prng.below(8) == 0 { CLIENTS[CLIENTS.len() - 1] } else { CLIENTS[own] };
        let Player { subjects, utc_offset, .. } = CAST[player];
        let subject = if self.prng.below(100) < 80 { subjects[0] } else { self.prng.pick(subjects) };
        Event { id, client, subject, time: time - time.rem_euclid(client.tick), utc_offset, body }
    }

    fn body(&mut self, player: usize) -> Body {
        let plan = CAST[player].plan;
        match self.prng.below(1_000) {
            0..60 => Body::Image { resolution: self.prng.pick(&RESOLUTIONS) },
            60..85 => self.storage(player),
            85..90 if plan == Plan::Developer => Body::Seats(self.seats(player)),
            90 if plan != Plan::PayAsYouGo => Body::Training(1_000 + self.prng.below(14_000)),
            92..95 => Body::KeyUsed(self.prng.below(1_000)),
            _ => self.completion(player, &MODELS),
        }
    }

    fn completion(&mut self, player: usize, models: &[&'static str]) -> Body {
        let model = self.prng.pick(models);
        // Heavy-tailed: each doubling is as likely as the one before, up to 256 thousand.
        let magnitude = 64_u64 << self.prng.below(12);
        let input = magnitude + self.prng.below(magnitude);
        let written = 16_u64 << self.prng.below(8);
        let output = if model == "embed-1" { 0 } else { written + self.prng.below(written) };
        let users = 400 / (1 + u64::try_from(player).unwrap_or(0)) + 3;
        // Some of them far more often than others.
        let bound = 1 + self.prng.below(users);
        Body::Completion { model, input, output, user: self.prng.below(bound) }
    }

    fn seats(&mut self, player: usize) -> u64 {
        90 / (1 + u64::try_from(player).unwrap_or(0)) + 2 + self.prng.below(4)
    }

    fn storage(&mut self, player: usize) -> Body {
        let size = 1_600_000 / (1 + u64::try_from(player).unwrap_or(0));
        Body::Storage(size + self.prng.below(size / 8))
    }

    /// Keeps an accepted event; a random one gives way.
    fn remember(&mut self, event: Event) {
        if self.remembered.len() < REMEMBERED {
            self.remembered.push(event);
        } else if self.prng.below(3) == 0 {
            let at = self.prng.below(u64::try_from(REMEMBERED).unwrap_or(0));
            self.remembered[usize::try_from(at).unwrap_or(0)] = event;
        }
    }

    /// A client did not hear the answer and sends the event again.
    fn write_duplicate(&mut self, line: &mut Vec<u8>) {
        self.prng.pick(&self.remembered).write_to(line);
        self.put_in.duplicate += 1;
    }

    /// An id is used again for something else: the first stands.
    fn write_conflict(&mut self, line: &mut Vec<u8>) {
        let mut event = self.prng.pick(&self.remembered);
        event.body = match event.body {
            Body::Completion { model, input, output, user } => {
                Body::Completion { model, input: input + 1 + self.prng.below(5_000), output, user }
            }
            Body::Image { resolution: "512x512" } => Body::Image { resolution: "2048x2048" },
            Body::Image { .. } => Body::Image { resolution: "512x512" },
            Body::Seats(seats) => Body::Seats(seats + 1),
            Body::Storage(thousandths) => Body::Storage(thousandths + 1),
            Body::Training(cost) => Body::Training(cost * 2),
            Body::KeyUsed(key) => Body::KeyUsed(key + 1),
        };
        event.write_to(line);
        self.put_in.conflict += 1;
    }

    fn write_broken(&mut self, shares: &Shares, arrival: i64, line: &mut Vec<u8>) {
        let player = shares.pick(&mut self.prng);
        let body = self.completion(player, &MODELS);
        let event = self.event(player, arrival, body);
        let code = write_broken(&event, self.broken, line);
        self.broken += 1;
        *self.put_in.rejected.entry(code).or_default() += 1;
    }

    /// Usage that nobody pays for, each kind with its own story.
    fn write_unpriced(&mut self, reason: UnpricedReason, arrival: i64, line: &mut Vec<u8>) {
        let (player, models): (_, &[&str]) = match reason {
            // A model that went live before it got a price.
            UnpricedReason::NoCell => (player("okapi-games"), &[UNPRICED_MODEL]),
            // An old integration bills the customer's id, which is none of its subjects.
            UnpricedReason::SubjectNotClaimed => (player("hexagon"), &MODELS),
            // Trials before the contract begins.
            _ => (player("vellum"), &MODELS),
        };
        let body = self.completion(player, models);
        let mut event = self.event(player, arrival, body);
        if reason == UnpricedReason::SubjectNotClaimed {
            event.subject = CAST[player].customer;
        }
        self.put_in.book_unpriced(reason, &event);
        self.remember(event);
        event.write_to(line);
    }
}

/// Models with a price, some asked more often than others.
const MODELS: [&str; 10] =
    ["swift-3", "swift-3", "swift-3", "swift-3", "swift-3", "sage-3", "sage-3", "sage-3", "atlas-2", "embed-1"];
/// The model without one.
const UNPRICED_MODEL: &str = "atlas-3-preview";
/// Of pictures.
const RESOLUTIONS: [&str; 4] = ["512x512", "1024x1024", "1024x1024", "2048x2048"];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn month(seed: u64, events: u64) -> (Vec<u8>, PutIn) {
        let mut out = Vec::new();
        let put_in = write_month(Settings { seed, events }, &mut out).unwrap();
        (out, put_in)
    }

    #[test]
    fn the_seed_decides_everything() {
        let (lines, put_in) = month(1, 20_000);
        let (again, put_in_again) = month(1, 20_000);
        assert!(lines == again, "seed 1 twice gives different bytes");
        assert_eq!(put_in, put_in_again);
        let (other, _) = month(2, 20_000);
        assert!(lines != other, "seeds 1 and 2 give the same bytes");
    }

    #[test]
    fn adds_up_and_has_everything_in_it() {
        for (seed, events) in [(1, 1_000), (1, 5_000), (2, 20_000), (u64::MAX, 20_000)] {
            let (text, put_in) = month(seed, events);
            let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
            assert_eq!(u64::try_from(lines.len()).unwrap(), events, "seed {seed}");
            assert_eq!(put_in.lines, events);
            assert_eq!(put_in.bytes, u64::try_from(text.len()).unwrap());
            let fates = put_in.accepted() + put_in.duplicate + put_in.conflict + put_in.rejected.values().sum::<u64>();
            assert_eq!(fates, events, "seed {seed}");
            let counts = [put_in.duplicate, put_in.conflict, put_in.unmetered, put_in.out_of_order, put_in.late];
            assert!(counts.iter().all(|count| *count > 0), "seed {seed}: {counts:?}");
            assert_eq!(put_in.unpriced.len(), 3, "seed {seed}: {:?}", put_in.unpriced);
            assert!(put_in.rejected.len() >= 12, "seed {seed}: {:?}", put_in.rejected);
        }
    }

    #[test]
    fn repeats_are_the_duplicates_and_nothing_else() {
        let (text, put_in) = month(3, 20_000);
        let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        let different = lines.iter().collect::<BTreeSet<_>>().len();
        let repeated = u64::try_from(lines.len() - different).unwrap();
        // Two contradictions of one event may happen to be the same.
        assert!(repeated >= put_in.duplicate && repeated <= put_in.duplicate + put_in.conflict, "{repeated}");
    }
}

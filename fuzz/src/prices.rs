//! Prices against the oracle: a bucket's amount is the oracle's to the last of its 18 decimals, whatever the order and however
//! it is split in parts, its lines add up to it, and the shard's rows too (L4, L5).

mod tariff;

use std::collections::BTreeMap;
use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use weir_ingest::{DecodeScratch, Decoder};
use weir_loadtest::oracle::{self, Entry, Event};
use weir_model::aggregation::{Frame, Observation};
use weir_model::bucket::BucketState;
use weir_model::calendar::part_of;
use weir_model::catalog::{self, Catalog, Charge, Meter, NoFiles, Proration};
use weir_model::charge::{Rule, Terms, meter_of};
use weir_model::decimal::Decimal;
use weir_model::event::Chunk;
use weir_model::hash::HashKey;
use weir_model::number::{AMOUNT_SCALE, Amount, Quantity};
use weir_model::price::{CellIdx, Leaf, PerEvent};
use weir_model::rated::{BucketNames, ShardOutput};
use weir_model::time::{Instant, Period};
use weir_rater::{RatingPlan, Rows, Shard};

use self::tariff::Input;

/// Prices the usage that the input means.
pub fn run(data: &[u8]) {
    let Ok(input) = Input::arbitrary(&mut Unstructured::new(data)) else { return };
    let toml = input.catalog();
    let Ok((catalog, _)) = catalog::load("fuzz.toml", &toml, &NoFiles) else { return };
    let tariff = Tariff::new(&catalog, &input);
    let events = input.events();
    let seen: Vec<Observed<'_>> = events.iter().filter_map(|event| tariff.observe(event)).collect();

    let (cells, dropped) = tariff.rate(&seen);
    Tariff::agree((&toml, input.conversion_digits()), &events, &dropped, &cells);
    for cell in cells.values() {
        tariff.explained(cell);
    }
    if dropped.is_empty() {
        let reversed: Vec<Observed<'_>> = seen.iter().rev().copied().collect();
        let (other_way, dropped) = tariff.rate(&reversed);
        // What is too large on the way need not be so at the end.
        if dropped.is_empty() {
            assert_eq!(amounts(&cells), amounts(&other_way), "order means nothing\n{toml}");
            tariff.merged(&seen, &cells);
        }
        tariff.rows_sum(Arc::new(catalog.clone()), &events, &cells);
    }
}

/// An event as the charge sees it.
#[derive(Debug, Clone, Copy)]
struct Observed<'e> {
    event: &'e Event,
    cell: CellIdx,
    observation: Observation<'e>,
}

/// A bucket.
struct Cell {
    index: CellIdx,
    state: BucketState,
    events: usize,
    amount: Amount,
}

/// The one charge of a catalog in the one period.
struct Tariff<'c> {
    charge: &'c Charge,
    meter: &'c Meter,
    terms: Terms,
    frames: [Frame; 1],
}

fn amounts(cells: &BTreeMap<CellIdx, Cell>) -> Vec<(CellIdx, usize, Amount)> {
    cells.values().map(|cell| (cell.index, cell.events, cell.amount)).collect()
}

impl<'c> Tariff<'c> {
    fn new(catalog: &'c Catalog, input: &Input) -> Tariff<'c> {
        let charge = &catalog.charges[0];
        let meter = meter_of(catalog, charge);
        let (start, end) = Input::period();
        let [start, end, active_start] = [start, end, input.active_start()].map(Instant::from_micros);
        let (period, active) = (Period { start, end }, Period { start: active_start, end });
        let part = part_of(&active, &period, Proration::Exact, &catalog.time_zone);
        let allowance = charge.allowance_of(part, meter).expect("a part of an allowance fits");
        let terms = Terms { active, part, versions: charge.versions_in(&active), allowance };
        let frames = [Frame { one: Quantity::from_scaled(meter.scale.unit()), slots: 0 }];
        Tariff { charge, meter, terms, frames }
    }

    /// The event's value and cell; `None` if the charge does not select it or has no price for it.
    fn observe<'e>(&self, event: &'e Event) -> Option<Observed<'e>> {
        let field = |name: &str| event.data.iter().find(|(key, _)| key == name).map(|(_, value)| value.text());
        let scaled = |text: &str, scale: u8| Decimal::parse(text.as_bytes()).ok()?.at_scale(scale).ok();
        let value = match self.meter.value {
            Some(_) => scaled(field("v")?, self.meter.scale.decimals())?,
            None => self.meter.scale.unit(),
        };
        let own = match field("a") {
            Some(text) => Some(Amount::from_scaled(scaled(text, AMOUNT_SCALE)?).ok()?),
            None => None,
        };
        let time = Instant::from_micros(event.time_micros);
        let (version, _) = self.terms.versions[0];
        let price = &self.charge.versions[version as usize].price;
        let cell = price.cell(&|_slot| field("region"), time)?;
        let is_dynamic = matches!(self.charge.leaf(version, cell)?, Leaf::PerEvent(PerEvent::Dynamic(_)));
        if is_dynamic && own.is_none() {
            return None;
        }
        let observation = Observation {
            value: Quantity::from_scaled(value),
            own: own.unwrap_or_default(),
            distinct: 0,
            time,
            source: event.source.as_bytes(),
            id: event.id.as_bytes(),
            estimated: false,
            fingerprint: 0,
        };
        Some(Observed { event, cell, observation })
    }

    fn rule(&self, cell: CellIdx) -> Rule<'_> {
        Rule { charge: self.charge, cell, terms: &self.terms }
    }

    fn fresh(&self, cell: CellIdx) -> Cell {
        let state = BucketState::new(&self.rule(cell), &[self.meter.aggregation]).expect("no events fit");
        let amount = self.rule(cell).amount_without_usage().expect("a part of P(0) fits");
        Cell { index: cell, state, events: 0, amount }
    }

    /// The buckets, and the events that did not fit.
    fn rate<'e>(&self, seen: &[Observed<'e>]) -> (BTreeMap<CellIdx, Cell>, Vec<&'e str>) {
        let mut cells = BTreeMap::new();
        let mut dropped = Vec::new();
        for Observed { event, cell: index, observation } in seen {
            let cell = cells.entry(*index).or_insert_with(|| self.fresh(*index));
            let before = cell.state.clone();
            match cell.state.observe(&self.rule(*index), &self.frames, &[Some(*observation)]) {
                Ok(amount) => {
                    cell.amount = amount;
                    cell.events += 1;
                }
                Err(_) => {
                    assert_eq!(before, cell.state, "what does not fit changes nothing");
                    dropped.push(event.id.as_str());
                }
            }
        }
        (cells, dropped)
    }

    /// The oracle, which knows no bounds, says the same of all events that fitted; the first that did not is large indeed.
    fn agree(
        (toml, conversion_digits): (&str, usize),
        events: &[Event],
        dropped: &[&str],
        cells: &BTreeMap<CellIdx, Cell>,
    ) {
        let rate = |events: &[&Event]| {
            let log: Vec<Entry> = events.iter().map(|event| Entry::Event((*event).clone())).collect();
            let outcome =
                oracle::rate(toml, &log).unwrap_or_else(|error| panic!("the oracle fails: {error:#}\n{toml}"));
            outcome.buckets.into_iter().filter(|(_, bucket)| bucket.events > 0).collect::<Vec<_>>()
        };
        let fitting: Vec<&Event> = events.iter().filter(|event| !dropped.contains(&event.id.as_str())).collect();
        let expected = rate(&fitting);
        let ours: Vec<&Cell> = cells.values().filter(|cell| cell.events > 0).collect();
        assert_eq!(ours.len(), expected.len(), "{toml}\n{expected:?}");
        for (cell, (key, bucket)) in ours.iter().zip(&expected) {
            let (leaf, scaled) = (cell.index.0 as usize, cell.amount.scaled().to_string());
            assert_eq!((leaf, cell.events), (key.leaf, bucket.events), "{toml}");
            assert_eq!(scaled, bucket.amount.to_string(), "{toml}\n{events:#?}");
        }
        let Some(first) = dropped.first().and_then(|id| events.iter().position(|event| event.id == **id)) else {
            return;
        };
        let with_it: Vec<&Event> = events[..=first].iter().collect();
        // 36 digits: a hundredth of what an amount and a converted quantity may have.
        let is_large = rate(&with_it).iter().any(|(_, bucket)| {
            let quantity = bucket.quantities.iter().any(|quantity| {
                let digits = quantity.to_integer().to_string().len();
                digits > 22 || digits + conversion_digits > 24
            });
            quantity || bucket.amount.to_string().len() > 36
        });
        assert!(is_large, "event {first} fits\n{toml}\n{events:#?}");
    }

    /// The lines of a whole period add up to the amount but for the rounding of each.
    fn explained(&self, cell: &Cell) {
        if !self.terms.part.is_whole() {
            return;
        }
        let rule = self.rule(cell.index);
        let measured = cell.state.measured(&self.frames).expect("it fitted before");
        let Ok(lines) = rule.lines(&measured, cell.amount) else { return };
        let sum: i128 = lines.iter().map(|(_, line)| line.amount.scaled()).sum();
        let apart = sum.abs_diff(cell.amount.scaled());
        // A split version's line is the difference of two.
        assert!(apart <= 2 * (lines.len() as u128 + 1), "{apart} apart: {lines:#?}\n{:?}", cell.amount);
    }

    /// Two parts of each bucket, merged, are the bucket.
    fn merged(&self, seen: &[Observed<'_>], cells: &BTreeMap<CellIdx, Cell>) {
        for (index, cell) in cells {
            let rule = self.rule(*index);
            let [mut odd, even] = [1, 0].map(|rest| {
                let mut part = self.fresh(*index).state;
                let own = seen.iter().filter(|seen| seen.cell == *index);
                for (_, seen) in own.enumerate().filter(|(number, _)| number % 2 == rest) {
                    part.observe(&rule, &self.frames, &[Some(seen.observation)]).ok()?;
                }
                Some(part)
            });
            if let (Some(odd), Some(even)) = (&mut odd, even)
                && odd.merge(&rule, &even).is_ok()
            {
                assert_eq!(odd.amount(&rule, &self.frames), Ok(cell.amount), "parts merge");
            }
        }
    }

    /// A shard's rows sum to A(S) - A(∅) in each bucket, its fast way included.
    fn rows_sum(&self, catalog: Arc<Catalog>, events: &[Event], cells: &BTreeMap<CellIdx, Cell>) {
        let mut chunk = Chunk::new(1);
        for event in events {
            chunk.text.extend(event.to_ndjson().expect("a time that calendars have").bytes());
        }
        Decoder::new(&catalog, HashKey::FILES, 1).decode_ndjson(&mut chunk, &mut DecodeScratch::new());
        assert_eq!(chunk.rejected, [], "these events are all valid");
        let mut shard = Shard::new(0, 1, Arc::new(RatingPlan::compile(catalog, HashKey::FILES).expect("one charge")));
        let mut output = ShardOutput::default();
        shard.apply(&chunk.text, &chunk.batches[0], Rows::Keep, &mut output).expect("identities stay in memory");
        let opened: Vec<_> = BucketNames::default().describe(std::mem::take(&mut output.opened)).collect();
        let mut sums: BTreeMap<CellIdx, Amount> = BTreeMap::new();
        for (bucket, amount) in output.rows.bucket.iter().zip(&output.rows.amount) {
            let sum = sums.entry(opened[*bucket as usize].cell).or_default();
            *sum = sum.checked_add(*amount).expect("rows sum to an amount");
        }
        let owed = |cell: &Cell| {
            let without = self.rule(cell.index).amount_without_usage().expect("a part of P(0) fits");
            cell.amount.checked_sub(without).expect("a row fits")
        };
        let expected: BTreeMap<CellIdx, Amount> = cells.values().map(|cell| (cell.index, owed(cell))).collect();
        assert_eq!(sums, expected, "rows sum to A(S) - A(0)");
    }
}

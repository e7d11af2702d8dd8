//! What was put into the month, booked while it is written: every count and every quantity that the run must find again.
//!
//! Rules are restated here from the catalog by hand, on purpose: a check that asked the rater would prove nothing.

use std::collections::{BTreeMap, BTreeSet};

use weir_model::verdict::{RejectCode, UnpricedReason};

use super::cast::{CAST, Plan};
use super::event::{Body, Event};

/// A meter of the catalog that is charged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meter {
    /// Sum of tokens read.
    InputTokens,
    /// Sum of tokens written.
    OutputTokens,
    /// Pictures.
    Images,
    /// Greatest number of seats.
    Seats,
    /// Greatest storage, in thousandths of a GB.
    Storage,
    /// Different users.
    ActiveUsers,
    /// Fine-tuning runs.
    Training,
}

impl Meter {
    /// Name in the catalog.
    pub fn name(self) -> &'static str {
        match self {
            Meter::InputTokens => "input_tokens",
            Meter::OutputTokens => "output_tokens",
            Meter::Images => "images",
            Meter::Seats => "seats",
            Meter::Storage => "storage",
            Meter::ActiveUsers => "active_users",
            Meter::Training => "training",
        }
    }

    /// Decimals kept.
    pub fn scale(self) -> u8 {
        if self == Meter::Storage { 3 } else { 0 }
    }

    /// Whether quantities of different customers, and of the charges of one, add up.
    pub fn is_additive(self) -> bool {
        matches!(self, Meter::InputTokens | Meter::OutputTokens | Meter::Images | Meter::Training)
    }

    /// The meter with this name.
    pub fn of_name(name: &str) -> Option<Meter> {
        let all = [
            Meter::InputTokens,
            Meter::OutputTokens,
            Meter::Images,
            Meter::Seats,
            Meter::Storage,
            Meter::ActiveUsers,
            Meter::Training,
        ];
        all.into_iter().find(|meter| meter.name() == name)
    }
}

/// A customer's period at one meter.
pub type Place = (&'static str, Meter, i64);

/// Usages and their quantity at the meter's scale.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub events: u64,
    /// How much.
    pub quantity: i128,
}

impl Tally {
    fn add(&mut self, quantity: u64) {
        self.events += 1;
        self.quantity += i128::from(quantity);
    }

    fn raise(&mut self, quantity: u64) {
        self.events += 1;
        self.quantity = self.quantity.max(i128::from(quantity));
    }
}

/// Everything that was put in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PutIn {
    /// Lines written.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Repeated with the same content.
    pub duplicate: u64,
    /// Repeated with another content.
    pub conflict: u64,
    /// Events whose every usage has a price.
    pub rated: u64,
    /// Events of a type that nobody charges for.
    pub unmetered: u64,
    /// Broken lines.
    pub rejected: BTreeMap<RejectCode, u64>,
    /// Events with usage that has no price.
    pub unpriced: BTreeMap<UnpricedReason, u64>,
    /// The usages in them.
    pub unpriced_usage: BTreeMap<(UnpricedReason, Meter), Tally>,
    /// Events that stand behind later ones.
    pub out_of_order: u64,
    /// Of those, the ones that came an hour or more after they happened.
    pub late: u64,
    /// Exact quantities.
    pub quantities: BTreeMap<Place, Tally>,
    users: BTreeMap<Place, BTreeSet<u64>>,
}

impl PutIn {
    /// Events that are accepted.
    pub fn accepted(&self) -> u64 {
        self.rated + self.unmetered + self.unpriced.values().sum::<u64>()
    }

    /// Books a new, sound event of a customer at the prices of its plan.
    pub fn book(&mut self, player: usize, event: &Event) {
        if matches!(event.body, Body::KeyUsed(_)) {
            self.unmetered += 1;
            return;
        }
        self.rated += 1;
        let customer = &CAST[player];
        let period = customer.periods[customer.period(event.time)];
        let place = |meter| (customer.customer, meter, period);
        let quantities = &mut self.quantities;
        match event.body {
            Body::Completion { model, input, output, user } => {
                quantities.entry(place(Meter::InputTokens)).or_default().add(input);
                let enterprise = customer.plan == Plan::Enterprise;
                // The enterprise plan charges for what these write, and embeddings write nothing.
                if !(enterprise && model == "embed-1") {
                    quantities.entry(place(Meter::OutputTokens)).or_default().add(output);
                }
                if enterprise {
                    let tally = quantities.entry(place(Meter::ActiveUsers)).or_default();
                    tally.events += 1;
                    let is_new = self.users.entry(place(Meter::ActiveUsers)).or_default().insert(user);
                    tally.quantity += i128::from(is_new);
                }
            }
            Body::Image { .. } => quantities.entry(place(Meter::Images)).or_default().add(1),
            Body::Seats(seats) => quantities.entry(place(Meter::Seats)).or_default().raise(seats),
            Body::Storage(thousandths) => quantities.entry(place(Meter::Storage)).or_default().raise(thousandths),
            Body::Training(_) => quantities.entry(place(Meter::Training)).or_default().add(1),
            Body::KeyUsed(_) => {}
        }
    }

    /// Books a completion that no charge has a price for.
    pub fn book_unpriced(&mut self, reason: UnpricedReason, event: &Event) {
        let Body::Completion { input, output, .. } = event.body else { return };
        *self.unpriced.entry(reason).or_default() += 1;
        let mut lose = |meter, quantity| self.unpriced_usage.entry((reason, meter)).or_default().add(quantity);
        lose(Meter::InputTokens, input);
        lose(Meter::OutputTokens, output);
        if reason != UnpricedReason::NoCell {
            // Without a plan every meter that reads the event loses it.
            lose(Meter::ActiveUsers, 1);
        }
    }
}

//! What a simulation says: old, new and difference in total, by charge, by meter and by customer, never across currencies.
//! docs/simulate-json.md documents its JSON.
//!
//! Owns: what is compared with what, and in which order it stands. Amounts are exact; percentages are for the eye, rounded half
//! away to two decimals, and computed in integers (L5).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use weir_model::currency::Currency;
use weir_model::number::{Amount, Money, Overflow};

use super::engine::{ChargeName, Rated};
use super::method::Method;

/// A simulation.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// The folder of the run.
    pub archive: String,
    /// The run's own catalog.
    pub old_catalog: CatalogName,
    /// The other one.
    pub new_catalog: CatalogName,
    /// Only periods that begin then or later; null for all.
    pub from: Option<String>,
    /// Only periods that end then or earlier; null for all.
    pub until: Option<String>,
    /// Only this customer; null for all.
    pub customer: Option<String>,
    /// Through when the run closed: the simulation closes likewise.
    pub closes: Vec<String>,
    /// Accepted events in the archive.
    pub events: u64,
    /// A(S) over all buckets, by currency.
    pub amounts: BTreeMap<String, Change>,
    /// Totals of the documents of closed periods, by currency.
    pub invoiced: BTreeMap<String, Change>,
    /// Amounts by charge, the greatest difference first.
    pub charges: Vec<ChargeChange>,
    /// Amounts by meter, the greatest difference first.
    pub meters: Vec<MeterChange>,
    /// Customers, by currency.
    pub customers: BTreeMap<String, CustomerChanges>,
    /// What has no price under the new catalog: lost revenue.
    pub unpriced_usage: Vec<Unpriced>,
    /// Archived events that the new catalog's meters reject.
    pub rejected: u64,
    /// Wall-clock seconds.
    pub elapsed_s: f64,
    /// `events` per second.
    pub events_per_s: f64,
}

/// Which catalog.
#[derive(Debug, Clone, Serialize)]
pub struct CatalogName {
    /// Its name.
    pub name: String,
    /// Hash of its texts, in hexadecimal.
    pub hash: String,
}

/// A figure under both catalogs: exact decimal strings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Under the run's catalog.
    pub old: String,
    /// Under the other one.
    pub new: String,
    /// New minus old.
    pub difference: String,
    /// The difference in per cent of the old figure, with two decimals; null if that is not above zero.
    pub percent: Option<String>,
}

/// A charge under both catalogs.
#[derive(Debug, Clone, Serialize)]
pub struct ChargeChange {
    /// Its plan.
    pub plan: String,
    /// Its name.
    pub charge: String,
    /// The meter it charges for; of a capacity price the first.
    pub meter: String,
    /// Currency of its amounts.
    pub currency: String,
    /// The figures.
    #[serde(flatten)]
    pub change: Change,
    /// How the new figure was computed; null for a charge that the new catalog does not have.
    pub computed_from: Option<Method>,
    /// Why not from less; null for totals.
    pub why: Option<&'static str>,
}

/// A meter under both catalogs.
#[derive(Debug, Clone, Serialize)]
pub struct MeterChange {
    /// Its name.
    pub meter: String,
    /// Currency of the amounts.
    pub currency: String,
    /// The figures.
    #[serde(flatten)]
    pub change: Change,
}

/// The customers of one currency.
#[derive(Debug, Clone, Serialize)]
pub struct CustomerChanges {
    /// How many pay more.
    pub up: u64,
    /// How many pay less.
    pub down: u64,
    /// How many pay the same.
    pub unchanged: u64,
    /// How many by how much, from the greatest fall to the greatest rise.
    pub distribution: Vec<Band>,
    /// Those whose amounts rise the most, the first first.
    pub most_up: Vec<CustomerChange>,
    /// Those whose amounts fall the most, the first first.
    pub most_down: Vec<CustomerChange>,
}

/// Customers whose amounts change alike.
#[derive(Debug, Clone, Serialize)]
pub struct Band {
    /// In words.
    pub change: &'static str,
    /// How many.
    pub customers: u64,
}

/// A customer under both catalogs.
#[derive(Debug, Clone, Serialize)]
pub struct CustomerChange {
    /// Its id.
    pub customer: String,
    /// A(S) over its buckets.
    #[serde(flatten)]
    pub change: Change,
    /// Totals of its documents of closed periods.
    pub invoiced: Change,
}

/// Usage without a price under the new catalog.
#[derive(Debug, Clone, Serialize)]
pub struct Unpriced {
    /// Why.
    pub reason: &'static str,
    /// Of which meter; null where no meter is known.
    pub meter: Option<String>,
    /// How many usages.
    pub count: u64,
    /// Their sum; null if it does not fit.
    pub quantity: Option<String>,
}

/// By how much amounts change, in per cent: above the first bound, up to and with the second.
const BANDS: [(&str, Option<i128>, Option<i128>); 10] = [
    ("-50% and below", None, Some(-50)),
    ("-50% to -10%", Some(-50), Some(-10)),
    ("-10% to -1%", Some(-10), Some(-1)),
    ("less than -1%", Some(-1), Some(0)),
    ("up to +1%", Some(0), Some(1)),
    ("+1% to +10%", Some(1), Some(10)),
    ("+10% to +50%", Some(10), Some(50)),
    ("+50% to +100%", Some(50), Some(100)),
    ("+100% to +1000%", Some(100), Some(1000)),
    ("above +1000%", Some(1000), None),
];
const UNCHANGED: &str = "unchanged";
/// Where unchanged stands among the bands.
const UNCHANGED_AT: usize = 4;
const FROM_NOTHING: &str = "from nothing";

/// The figures of both catalogs, to be compared.
pub struct Both<'r> {
    /// Under the run's catalog.
    pub old: &'r Rated,
    /// Under the other one.
    pub new: &'r Rated,
}

impl Both<'_> {
    /// A(S) by currency.
    pub fn amounts(&self) -> Result<BTreeMap<String, Change>, Overflow> {
        let (old, new) = (self.old.amounts()?, self.new.amounts()?);
        let currencies: BTreeSet<Currency> = old.keys().chain(new.keys()).copied().collect();
        let of = |sums: &BTreeMap<Currency, Amount>, currency| sums.get(&currency).copied().unwrap_or_default();
        let change = |currency| Ok((currency, Change::of(of(&old, currency), of(&new, currency))?));
        currencies.into_iter().map(change).map(|change| change.map(|(currency, c)| (currency.to_string(), c))).collect()
    }

    /// Invoiced totals by currency.
    pub fn invoiced(&self) -> Result<BTreeMap<String, Change>, Overflow> {
        let (old, new) = (self.old.invoiced()?, self.new.invoiced()?);
        let currencies: BTreeSet<Currency> = old.keys().chain(new.keys()).copied().collect();
        let of = |sums: &BTreeMap<Currency, Money>, currency| sums.get(&currency).map_or(0, |money| money.minor());
        let change = |currency| Change::of_money((of(&old, currency), of(&new, currency)), currency);
        currencies.into_iter().map(|currency| Ok((currency.to_string(), change(currency)?))).collect()
    }

    /// By charge; `computed` says how the new catalog's were.
    pub fn charges(
        &self,
        computed: &BTreeMap<(String, String), (Method, Option<&'static str>)>,
    ) -> Result<Vec<ChargeChange>, Overflow> {
        let names: BTreeSet<&ChargeName> = self.old.charges.keys().chain(self.new.charges.keys()).collect();
        let of = |rated: &Rated, name| rated.charges.get(name).copied().unwrap_or_default();
        let mut changes = Vec::with_capacity(names.len());
        for name in names {
            let (old, new) = (of(self.old, name), of(self.new, name));
            let (plan, charge, meter, currency) = name.clone();
            let found = self.new.charges.get(name).and_then(|_| computed.get(&(plan.clone(), charge.clone())));
            changes.push((
                magnitude(old, new),
                ChargeChange {
                    currency: currency.to_string(),
                    change: Change::of(old, new)?,
                    computed_from: found.map(|(method, _)| *method),
                    why: found.and_then(|(_, why)| *why),
                    plan,
                    charge,
                    meter,
                },
            ));
        }
        Ok(greatest_first(changes))
    }

    /// By meter.
    pub fn meters(&self) -> Result<Vec<MeterChange>, Overflow> {
        let mut sums: BTreeMap<(&str, Currency), (Amount, Amount)> = BTreeMap::new();
        for ((_, _, meter, currency), amount) in &self.old.charges {
            let (old, _) = sums.entry((meter, *currency)).or_default();
            *old = old.checked_add(*amount)?;
        }
        for ((_, _, meter, currency), amount) in &self.new.charges {
            let (_, new) = sums.entry((meter, *currency)).or_default();
            *new = new.checked_add(*amount)?;
        }
        let mut changes = Vec::with_capacity(sums.len());
        for ((meter, currency), (old, new)) in sums {
            let change = Change::of(old, new)?;
            changes.push((
                magnitude(old, new),
                MeterChange { meter: meter.to_owned(), currency: currency.to_string(), change },
            ));
        }
        Ok(greatest_first(changes))
    }

    /// By customer; `top` of those that move the most.
    pub fn customers(&self, top: usize) -> Result<BTreeMap<String, CustomerChanges>, Overflow> {
        let keys: BTreeSet<&(String, Currency)> = self.old.customers.keys().chain(self.new.customers.keys()).collect();
        let mut moves: BTreeMap<Currency, Vec<Move<'_>>> = BTreeMap::new();
        for key in keys {
            let figures = |rated: &Rated| {
                let figures = rated.customers.get(key).copied();
                figures.map_or((Amount::ZERO, 0), |figures| (figures.amount, figures.invoiced))
            };
            let ((old, old_invoiced), (new, new_invoiced)) = (figures(self.old), figures(self.new));
            let by = new.checked_sub(old)?.scaled();
            let moved = Move { customer: &key.0, old, new, by, invoiced: (old_invoiced, new_invoiced) };
            moves.entry(key.1).or_default().push(moved);
        }
        let changes = moves.into_iter().map(|(currency, moves)| {
            let changes = CustomerChanges::of(moves, currency, top)?;
            Ok((currency.to_string(), changes))
        });
        changes.collect()
    }

    /// What has no price under the new catalog.
    pub fn unpriced(&self) -> Vec<Unpriced> {
        let usages = self.new.unpriced.iter().map(|((reason, meter), (count, quantity))| Unpriced {
            reason,
            meter: meter.clone(),
            count: *count,
            quantity: quantity.clone(),
        });
        usages.collect()
    }
}

/// A customer's change.
struct Move<'r> {
    customer: &'r str,
    old: Amount,
    new: Amount,
    by: i128,
    invoiced: (i128, i128),
}

impl CustomerChanges {
    fn of(mut moves: Vec<Move<'_>>, currency: Currency, top: usize) -> Result<CustomerChanges, Overflow> {
        let count = |test: &dyn Fn(&Move<'_>) -> bool| moves.iter().filter(|moved| test(moved)).count() as u64;
        let in_band = |low: Option<i128>, high: Option<i128>| {
            count(&|moved| {
                moved.by != 0
                    && moved.old > Amount::ZERO
                    && low.is_none_or(|low| exceeds(moved, low))
                    && high.is_none_or(|high| !exceeds(moved, high))
            })
        };
        let mut distribution: Vec<Band> =
            BANDS.iter().map(|(change, low, high)| Band { change, customers: in_band(*low, *high) }).collect();
        let unchanged = count(&|moved| moved.by == 0);
        distribution.insert(UNCHANGED_AT, Band { change: UNCHANGED, customers: unchanged });
        let from_nothing = count(&|moved| moved.by != 0 && moved.old <= Amount::ZERO);
        distribution.push(Band { change: FROM_NOTHING, customers: from_nothing });
        let (up, down) = (count(&|moved| moved.by > 0), count(&|moved| moved.by < 0));
        let change = |moved: &Move<'_>| {
            Ok(CustomerChange {
                customer: moved.customer.to_owned(),
                change: Change::of(moved.old, moved.new)?,
                invoiced: Change::of_money(moved.invoiced, currency)?,
            })
        };
        moves.sort_by(|a, b| (b.by, a.customer).cmp(&(a.by, b.customer)));
        let most_up = moves.iter().take(top).filter(|moved| moved.by > 0).map(change).collect::<Result<_, _>>()?;
        moves.sort_by_key(|moved| (moved.by, moved.customer));
        let most_down = moves.iter().take(top).filter(|moved| moved.by < 0).map(change).collect::<Result<_, _>>()?;
        Ok(CustomerChanges { up, down, unchanged, distribution, most_up, most_down })
    }
}

/// Whether a change is more than so many per cent of an old amount above zero.
fn exceeds(moved: &Move<'_>, percent: i128) -> bool {
    match (moved.by.checked_mul(100), moved.old.scaled().checked_mul(percent)) {
        (Some(by), Some(bound)) => by > bound,
        // Figures that large are compared without their last digits.
        _ => moved.by / 100_000 > (moved.old.scaled() / 10_000_000).saturating_mul(percent),
    }
}

impl Change {
    /// Of amounts.
    pub fn of(old: Amount, new: Amount) -> Result<Change, Overflow> {
        let by = new.checked_sub(old)?;
        let percent = percent(old.scaled(), by.scaled());
        Ok(Change { old: old.to_string(), new: new.to_string(), difference: by.to_string(), percent })
    }

    /// Of minor units.
    pub fn of_money((old, new): (i128, i128), currency: Currency) -> Result<Change, Overflow> {
        let by = new.checked_sub(old).ok_or(Overflow)?;
        let text = |minor| Money::from_minor(minor, currency).to_decimal_text();
        Ok(Change { old: text(old), new: text(new), difference: text(by), percent: percent(old, by) })
    }
}

/// `by` in per cent of `old`, with two decimals.
fn percent(old: i128, by: i128) -> Option<String> {
    if old <= 0 {
        return None;
    }
    let hundredths = match by.checked_mul(20_000) {
        // Half away from zero.
        Some(twice) => i128::midpoint(twice / old, twice.signum()),
        None => by / (old / 10_000).max(1),
    };
    let sign = if hundredths < 0 { "-" } else { "" };
    let digits = hundredths.unsigned_abs();
    Some(format!("{sign}{}.{:02}", digits / 100, digits % 100))
}

fn magnitude(old: Amount, new: Amount) -> u128 {
    new.scaled().abs_diff(old.scaled())
}

fn greatest_first<T>(mut changes: Vec<(u128, T)>) -> Vec<T> {
    // What is equal stays in the order of names.
    changes.sort_by_key(|(magnitude, _)| Reverse(*magnitude));
    changes.into_iter().map(|(_, change)| change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(scaled: i128) -> Amount {
        Amount::from_scaled(scaled).unwrap()
    }

    #[test]
    fn percentages_round_half_away() {
        for (old, by, expected) in [
            (100, 50, Some("50.00")),
            (3, 1, Some("33.33")),
            (3, 2, Some("66.67")),
            (3, -2, Some("-66.67")),
            (20_000, 1, Some("0.01")),
            (20_001, 1, Some("0.00")),
            (20_000, -1, Some("-0.01")),
            (1, 999, Some("99900.00")),
            (10_i128.pow(37), 10_i128.pow(37), Some("100.00")),
            (0, 1, None),
            (-1, 1, None),
        ] {
            assert_eq!(percent(old, by).as_deref(), expected, "{by} of {old}");
        }
    }

    #[test]
    fn every_customer_is_in_one_band() {
        let cases = [
            (100, 40, "-50% and below"),
            (100, 50, "-50% and below"),
            (1000, 501, "-50% to -10%"),
            (100, 90, "-50% to -10%"),
            (1000, 901, "-10% to -1%"),
            (1000, 999, "less than -1%"),
            (7, 7, "unchanged"),
            (0, 0, "unchanged"),
            (1000, 1001, "up to +1%"),
            (100, 101, "up to +1%"),
            (1000, 1011, "+1% to +10%"),
            (100, 111, "+10% to +50%"),
            (100, 200, "+50% to +100%"),
            (100, 1100, "+100% to +1000%"),
            (100, 1101, "above +1000%"),
            (0, 1, "from nothing"),
            (10_i128.pow(37), 3 * 10_i128.pow(37), "+100% to +1000%"),
        ];
        for (old, new, expected) in cases {
            let moved = Move { customer: "a", old: amount(old), new: amount(new), by: new - old, invoiced: (0, 0) };
            let changes = CustomerChanges::of(vec![moved], Currency::parse("USD").unwrap(), 3).unwrap();
            let bands: Vec<&str> =
                changes.distribution.iter().filter(|band| band.customers > 0).map(|band| band.change).collect();
            assert_eq!(bands, [expected], "{old} to {new}");
            assert_eq!(changes.up + changes.down + changes.unchanged, 1);
        }
    }
}

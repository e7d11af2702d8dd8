//! The run's totals into fresh shards: the quantities of charges that count as before, bucket by bucket.

use std::collections::HashMap;
use std::sync::Mutex;

use anyhow::{Result, anyhow};
use arrow_array::types::{Decimal128Type, TimestampMicrosecondType, UInt64Type};
use arrow_array::{Array, RecordBatch};
use weir_model::catalog::{Catalog, Charge, ChargeIdx, CustomerIdx};
use weir_model::decimal::{Decimal, power_of_ten};
use weir_model::hash::{HashKey, RouteHash, shard_of};
use weir_model::number::{Amount, QUANTITY_SCALE_MAX, Quantity, Scale};
use weir_model::price::CellIdx;
use weir_model::time::Instant;
use weir_rater::{Known, KnownBucket, ResumeError, Shard};

use super::archive::{Bounds, Visitor};
use super::engine::{Engine, lock, too_large};
use super::method::{Method, cell_text};
use crate::explain::archive::{Rows, Texts, required};

const COLUMNS: [&str; 8] = ["customer", "plan", "charge", "group", "cell", "segment_start", "quantity", "events"];
/// Read where some charge has not changed.
const AMOUNT: &str = "amount";
/// Read where some quantity is beyond its column.
const QUANTITY_TEXT: &str = "quantity_text";

/// Takes in the buckets of all charges that are computed from totals.
pub fn resume(engine: &Engine<'_>, shards: &[Mutex<Shard>]) -> Result<()> {
    let names = Names::new(engine);
    let members = engine.scope.customer.as_deref().map(|id| crate::explain::members(engine.catalog, id));
    let texts = members.iter().map(|members| ("customer", members.iter().cloned().collect())).collect();
    let bounds = Bounds { texts, instants: None };
    let reader = || Reader { engine, shards, names: &names, members: &members, cells: HashMap::new() };
    let readers = (0..engine.threads).map(|_| reader()).collect();
    let mut columns = Vec::from(COLUMNS);
    columns.extend(engine.choices.iter().any(|choice| choice.is_unchanged).then_some(AMOUNT));
    columns.extend(engine.archive.has_texts_only()?.then_some(QUANTITY_TEXT));
    engine.archive.totals(&columns, &bounds, readers)?;
    Ok(())
}

/// The new catalog's charges and customers by the names that the archive has for them.
struct Names<'e> {
    charges: HashMap<(&'e str, &'e str, Option<&'e str>), ChargeIdx>,
    customers: HashMap<&'e str, CustomerIdx>,
}

impl<'e> Names<'e> {
    fn new(engine: &Engine<'e>) -> Names<'e> {
        let catalog: &'e Catalog = engine.catalog;
        let charges = (0_u32..).map(ChargeIdx).zip(&catalog.charges).filter_map(|(index, charge)| {
            let plan = catalog.plans.get(charge.plan.at())?;
            let variant_of = plan.variant_of.and_then(|customer| catalog.customers.get(customer.at()));
            Some(((plan.name.as_str(), charge.name.as_str(), variant_of.map(|customer| customer.id.as_str())), index))
        });
        let customers = (0_u32..).map(CustomerIdx).zip(&catalog.customers);
        Names {
            charges: charges.collect(),
            customers: customers.map(|(index, customer)| (customer.id.as_str(), index)).collect(),
        }
    }

    /// The charge of a customer: its plan's own variant, if it has one.
    fn charge(&self, catalog: &Catalog, (customer, plan, charge): (&str, &str, &str)) -> Option<ChargeIdx> {
        let declared = self.customers.get(customer).and_then(|index| catalog.customers.get(index.at()));
        let own = declared.and_then(|declared| self.charges.get(&(plan, charge, Some(declared.id.as_str()))));
        own.or_else(|| self.charges.get(&(plan, charge, None))).copied()
    }
}

struct Reader<'r> {
    engine: &'r Engine<'r>,
    shards: &'r [Mutex<Shard>],
    names: &'r Names<'r>,
    members: &'r Option<std::collections::BTreeSet<String>>,
    /// Cells by charge, version and text.
    cells: HashMap<(ChargeIdx, u32), HashMap<String, CellIdx>>,
}

/// Columns of one batch.
struct Columns<'b> {
    customer: Texts<'b>,
    plan: Texts<'b>,
    charge: Texts<'b>,
    group: Texts<'b>,
    cell: Texts<'b>,
    quantity_text: Option<Texts<'b>>,
}

/// A customer as the rows before had it.
#[derive(Default)]
struct Party<'b> {
    customer: &'b str,
    subject: String,
    hash: RouteHash,
    /// Whether its plans may be variants of its own.
    may_have_variants: bool,
}

impl Party<'_> {
    fn bucket<'a>(&'a self, total: &Total, group: &'a [&'a str]) -> KnownBucket<'a> {
        let Total { begins_at, charge, cell, known, events, .. } = *total;
        KnownBucket { subject: &self.subject, subject_hash: self.hash, begins_at, charge, group, cell, known, events }
    }
}

impl Visitor for Reader<'_> {
    fn visit(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = Rows(batch);
        let optional = |name| batch.column_by_name(name).map(|_| name);
        let columns = Columns {
            customer: rows.texts("customer")?,
            plan: rows.texts("plan")?,
            charge: rows.texts("charge")?,
            group: rows.texts("group")?,
            cell: rows.texts("cell")?,
            quantity_text: optional(QUANTITY_TEXT).map(|name| rows.texts(name)).transpose()?,
        };
        let begins_at = rows.numbers::<TimestampMicrosecondType>("segment_start")?;
        let quantity = rows.numbers::<Decimal128Type>("quantity")?;
        let amount = optional(AMOUNT).map(|name| rows.numbers::<Decimal128Type>(name)).transpose()?;
        let events = rows.numbers::<UInt64Type>("events")?;
        let mut memo = ChargeMemo::of(&columns.plan, &columns.charge);
        let mut party = Party::default();
        let mut rows: Vec<Total> = Vec::new();
        for i in 0..batch.num_rows() {
            let events = required(events(i))?;
            let customer = columns.customer.required(i)?;
            // What is owed without usage is made again by the close.
            if events == 0 || self.members.as_ref().is_some_and(|members| !members.contains(customer)) {
                continue;
            }
            if party.customer != customer || party.subject.is_empty() {
                self.take(&party, &mut rows)?;
                party = self.party(customer);
            }
            let catalog = self.engine.catalog;
            let find =
                || Ok(self.names.charge(catalog, (customer, columns.plan.required(i)?, columns.charge.required(i)?)));
            let Some(index) = memo.charge((i, party.may_have_variants), find)? else { continue };
            if self.engine.method(index) != Method::Totals {
                continue;
            }
            let begins_at = Instant::from_micros(required(begins_at(i))?);
            let rules = catalog.charges.get(index.at()).ok_or_else(|| anyhow!("there is no such charge"))?;
            let group = columns.group.get(i).map(|text| group_values(rules, text)).transpose()?.unwrap_or_default();
            let quantity =
                self.quantity(index, quantity(i), columns.quantity_text.as_ref().and_then(|text| text.get(i)))?;
            let is_unchanged = self.engine.choices.get(index.at()).is_some_and(|choice| choice.is_unchanged);
            let known = if is_unchanged {
                Known::Amount(quantity, Amount::from_scaled(required(amount.as_ref().and_then(|amount| amount(i)))?)?)
            } else {
                Known::Quantity(quantity)
            };
            let cell = self.cell((index, rules), begins_at, columns.cell.get(i))?;
            rows.push(Total { begins_at, charge: index, group, cell, known, events });
        }
        self.take(&party, &mut rows)
    }
}

/// A total of some customer.
struct Total {
    begins_at: Instant,
    charge: ChargeIdx,
    group: Vec<String>,
    cell: CellIdx,
    known: Known,
    events: u64,
}

/// The charges behind the keys of plans and charges, of customers without variants of their own.
struct ChargeMemo<'b> {
    keys: Option<(&'b [i32], &'b [i32], usize)>,
    charges: Vec<Option<Option<ChargeIdx>>>,
}

/// A batch's memo has at most as many entries as a batch has rows.
const MEMO_MAX: usize = 8192;

impl<'b> ChargeMemo<'b> {
    fn of(plans: &Texts<'b>, charges: &Texts<'b>) -> ChargeMemo<'b> {
        let (Texts::Dictionary(plan_keys, plans), Texts::Dictionary(charge_keys, charges)) = (plans, charges) else {
            return ChargeMemo { keys: None, charges: Vec::new() };
        };
        let len = plans.len().saturating_mul(charges.len());
        let has_nulls = plan_keys.null_count() + charge_keys.null_count() > 0;
        let keys = (plan_keys.keys().values().as_ref(), charge_keys.keys().values().as_ref(), charges.len());
        ChargeMemo {
            keys: Some(keys).filter(|_| len <= MEMO_MAX && !has_nulls),
            charges: vec![None; len.min(MEMO_MAX)],
        }
    }

    /// The charge of a row.
    fn charge(
        &mut self,
        (i, may_have_variants): (usize, bool),
        find: impl FnOnce() -> Result<Option<ChargeIdx>>,
    ) -> Result<Option<ChargeIdx>> {
        let place = self.keys.filter(|_| !may_have_variants).and_then(|(plans, charges, width)| {
            let key = |keys: &[i32]| keys.get(i).and_then(|key| usize::try_from(*key).ok());
            Some(key(plans)? * width + key(charges)?)
        });
        let Some(slot) = place.and_then(|place| self.charges.get_mut(place)) else { return find() };
        match slot {
            Some(known) => Ok(*known),
            None => Ok(*slot.insert(find()?)),
        }
    }
}

impl Reader<'_> {
    /// Hands a customer's totals on.
    fn take(&self, party: &Party<'_>, rows: &mut Vec<Total>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut shard = lock(&self.shards[shard_of(party.hash, u16::try_from(self.shards.len())?)]);
        let groups: Vec<Vec<&str>> = rows.iter().map(|row| row.group.iter().map(String::as_str).collect()).collect();
        let buckets: Vec<KnownBucket<'_>> =
            rows.iter().zip(&groups).map(|(row, group)| party.bucket(row, group)).collect();
        shard.resume_buckets(&buckets).map_err(|(number, error)| match error {
            ResumeError::Overflow(overflow) => too_large(overflow),
            error => {
                let charge = self.engine.catalog.charges.get(buckets[number].charge.at());
                let charge = charge.map_or("?", |charge| charge.name.as_str());
                anyhow!("the archive is damaged: the total of {} at {charge}: {error}", party.customer)
            }
        })?;
        rows.clear();
        Ok(())
    }

    fn party<'b>(&self, customer: &'b str) -> Party<'b> {
        let declared = self.names.customers.get(customer);
        let declared = declared.and_then(|index| self.engine.catalog.customers.get(index.at()));
        let subject = declared.and_then(|customer| customer.subjects.first()).map_or(customer, String::as_str);
        Party {
            customer,
            subject: subject.to_owned(),
            hash: HashKey::FILES.route(subject.as_bytes()),
            may_have_variants: declared.is_some(),
        }
    }

    /// The quantity at its meter's scale.
    fn quantity(&self, charge: ChargeIdx, finest: Option<i128>, text: Option<&str>) -> Result<Quantity> {
        let catalog = self.engine.catalog;
        let meter = catalog.charges.get(charge.at()).and_then(|charge| catalog.meters.get(charge.meter.at()));
        let scale = meter.map(|meter| meter.scale).unwrap_or_default();
        let parse = |text: &str| Decimal::parse(text.as_bytes()).and_then(|decimal| decimal.at_scale(scale.decimals()));
        let scaled = match (finest, text) {
            (Some(finest), _) => narrowed(finest, scale),
            // A capacity's resources have no quantity together; their amount stands.
            (None, Some(text)) if text.contains('=') => Some(0),
            (None, text) => text.and_then(|text| parse(text).ok()),
        };
        let scaled =
            scaled.ok_or_else(|| anyhow!("the archive is damaged: a total's quantity is not one of its meter"))?;
        Ok(Quantity::from_scaled(scaled))
    }

    fn cell(
        &mut self,
        (charge, rules): (ChargeIdx, &Charge),
        begins_at: Instant,
        text: Option<&str>,
    ) -> Result<CellIdx> {
        let Some(text) = text else { return Ok(CellIdx::ONLY) };
        let version = rules.version_at(begins_at);
        let cells = self.cells.entry((charge, version)).or_insert_with(|| {
            let price = usize::try_from(version).ok().and_then(|version| rules.versions.get(version));
            let cells = |price: &weir_model::price::Price| {
                (0..price.cells()).rev().map(|cell| (cell_text(price, CellIdx(cell)), CellIdx(cell))).collect()
            };
            price.map(|version| cells(&version.price)).unwrap_or_default()
        });
        cells.get(text).copied().ok_or_else(|| anyhow!("the archive is damaged: the price has no cell {text}"))
    }
}

/// A quantity of 12 decimals at a coarser scale, if it has no more.
fn narrowed(finest: i128, scale: Scale) -> Option<i128> {
    let factor = power_of_ten(QUANTITY_SCALE_MAX.checked_sub(scale.decimals())?)?;
    (finest % factor == 0).then_some(finest / factor)
}

/// The values of a group, in the charge's order.
fn group_values(charge: &Charge, text: &str) -> Result<Vec<String>> {
    let mut values: HashMap<String, String> = serde_json::from_str(text)?;
    let value = |name: &String| values.remove(name).ok_or_else(|| anyhow!("a group has no {name}: {text}"));
    charge.group_by.iter().map(|dimension| &dimension.name).map(value).collect()
}

//! The later catalog under its numbers: everything that holds one is taken apart here, field by field, so that a new field does not
//! compile before somebody has thought of its numbers.

use std::collections::HashMap;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3Default;

use super::numbers::{Numbers, Slots, position};
use crate::catalog::{
    Account, AccountIdx, Catalog, Charge, ChargeIdx, ChargeMeter, Customer, CustomerIdx, Dimension, EventType,
    FilterTerm, Meter, MeterIdx, Plan, PlanChange, PlanIdx, PriceVersion, TypeIdx,
};
use crate::price::Price;

impl Numbers {
    /// The later catalog under these numbers.
    pub(super) fn renumber(&self, previous: &Catalog, next: Catalog) -> Catalog {
        let mut prices = Prices::default();
        let Catalog {
            name,
            hash,
            currency,
            time_zone,
            meters,
            event_types,
            plans,
            charges,
            accounts,
            customers,
            seller,
            default_plan,
        } = next;
        let hash = self.hash(hash);
        let types_of: Vec<TypeIdx> = meters.iter().map(|meter| meter.event_type).collect();
        let type_of = |meter: MeterIdx| types_of.get(meter.at()).copied().unwrap_or(TypeIdx::UNKNOWN);
        let charges = charges.into_iter().map(|charge| self.charge(charge, &type_of, &mut prices));
        Catalog {
            name,
            hash,
            currency,
            time_zone,
            charges: sorted(charges, &self.charges),
            meters: sorted(meters.into_iter().map(|meter| self.meter(meter)), &self.meters),
            event_types: self.event_types(previous, event_types),
            plans: sorted(plans.into_iter().map(|plan| self.plan(plan)), &self.plans),
            accounts: sorted(accounts.into_iter().map(|account| self.account(account)), &self.accounts),
            customers: sorted(customers.into_iter().map(|customer| self.customer(customer)), &self.customers),
            seller,
            default_plan: default_plan.map(|plan| self.plan_idx(plan)),
        }
    }

    /// The text's hash, and that of the numbers where the text alone would lead to others.
    fn hash(&self, text: u64) -> u64 {
        if !self.are_changed() {
            return text;
        }
        let mut hash = Xxh3Default::new();
        hash.update(&text.to_le_bytes());
        for list in self.lists() {
            hash.update(&position(list.len()).to_le_bytes());
            list.iter().for_each(|number| hash.update(&number.to_le_bytes()));
        }
        hash.digest()
    }

    fn meter_idx(&self, index: MeterIdx) -> MeterIdx {
        MeterIdx(at(&self.meters, index.at()))
    }

    fn plan_idx(&self, index: PlanIdx) -> PlanIdx {
        PlanIdx(at(&self.plans, index.at()))
    }

    fn charge_idx(&self, index: ChargeIdx) -> ChargeIdx {
        ChargeIdx(at(&self.charges, index.at()))
    }

    fn type_idx(&self, index: TypeIdx) -> TypeIdx {
        TypeIdx(at(&self.event_types, index.at()))
    }

    fn account_idx(&self, index: AccountIdx) -> AccountIdx {
        AccountIdx(at(&self.accounts, index.at()))
    }

    fn customer_idx(&self, index: CustomerIdx) -> CustomerIdx {
        CustomerIdx(at(&self.customers, index.at()))
    }

    /// The slots of a type, by its number in the text.
    fn slots(&self, event_type: TypeIdx) -> &Slots {
        const NONE: &Slots = &Slots { values: Vec::new(), texts: Vec::new() };
        self.slots.get(event_type.at()).unwrap_or(NONE)
    }

    fn event_types(&self, previous: &Catalog, event_types: Vec<EventType>) -> Vec<EventType> {
        let renumbered = event_types.into_iter().zip(&self.slots).map(|(event_type, slots)| {
            let EventType { name, values, texts, meters } = event_type;
            let before = previous.event_types.iter().find(|before| before.name == name);
            let (values_before, texts_before) =
                before.map_or_else(Default::default, |before| (before.values.clone(), before.texts.clone()));
            let mut meters: Vec<MeterIdx> = meters.into_iter().map(|meter| self.meter_idx(meter)).collect();
            meters.sort_unstable();
            let (values, texts) =
                (joined(values_before, values, &slots.values), joined(texts_before, texts, &slots.texts));
            EventType { name, values, texts, meters }
        });
        sorted(renumbered, &self.event_types)
    }

    fn meter(&self, meter: Meter) -> Meter {
        let Meter {
            name,
            event_type,
            aggregation,
            scale,
            value,
            distinct,
            series,
            estimated,
            amount,
            dimensions,
            filter,
            allow_negative,
        } = meter;
        let slots = self.slots(event_type);
        Meter {
            name,
            event_type: self.type_idx(event_type),
            aggregation,
            scale,
            value: value.map(|slot| slots.value(slot)),
            distinct: distinct.map(|slot| slots.text(slot)),
            series: series.map(|slot| slots.text(slot)),
            estimated: estimated.map(|slot| slots.text(slot)),
            amount: amount.map(|slot| slots.value(slot)),
            dimensions: slots.dimensions(dimensions),
            filter: slots.filter(filter),
            allow_negative,
        }
    }

    fn plan(&self, plan: Plan) -> Plan {
        let Plan { name, variant_of, currency, cycle, anchor, fees, proration, thresholds, charges } = plan;
        // The order of numbers is that of usages and lines, here as in every catalog.
        let mut charges: Vec<ChargeIdx> = charges.into_iter().map(|charge| self.charge_idx(charge)).collect();
        charges.sort_unstable();
        let variant_of = variant_of.map(|owner| self.customer_idx(owner));
        Plan { name, variant_of, currency, cycle, anchor, fees, proration, thresholds, charges }
    }

    fn charge(&self, charge: Charge, type_of: &dyn Fn(MeterIdx) -> TypeIdx, prices: &mut Prices) -> Charge {
        let Charge {
            name,
            hash,
            plan,
            meter,
            further,
            versions,
            price_name,
            filter,
            group_by,
            conversion,
            allowance,
            round,
            discount,
            minimum,
            maximum,
            below_zero,
            pool,
            late_policy,
        } = charge;
        let (event_type, slots) = (type_of(meter), self.slots(type_of(meter)));
        let further = further.into_iter().map(|further| {
            let ChargeMeter { meter, filter, group_by } = further;
            let slots = self.slots(type_of(meter));
            ChargeMeter {
                meter: self.meter_idx(meter),
                filter: slots.filter(filter),
                group_by: slots.dimensions(group_by),
            }
        });
        let versions = versions.into_iter().map(|version| {
            let PriceVersion { effective_at, mid_period, price } = version;
            PriceVersion { effective_at, mid_period, price: prices.renumbered(price, event_type, slots) }
        });
        Charge {
            name,
            hash,
            plan: self.plan_idx(plan),
            meter: self.meter_idx(meter),
            further: further.collect(),
            versions: versions.collect(),
            price_name,
            filter: slots.filter(filter),
            group_by: slots.dimensions(group_by),
            conversion,
            allowance,
            round,
            discount,
            minimum,
            maximum,
            below_zero,
            pool,
            late_policy,
        }
    }

    fn account(&self, account: Account) -> Account {
        let Account { name, currency, time_zone, parent } = account;
        Account { name, currency, time_zone, parent: parent.map(|parent| self.account_idx(parent)) }
    }

    fn customer(&self, customer: Customer) -> Customer {
        let Customer { id, name, address, tax_id, locale, account, plan, subjects, starts_on, ends_on, changes } =
            customer;
        let changes = changes.into_iter().map(|change| {
            let PlanChange { effective_at, plan } = change;
            PlanChange { effective_at, plan: self.plan_idx(plan) }
        });
        Customer {
            id,
            name,
            address,
            tax_id,
            locale,
            account: self.account_idx(account),
            plan: plan.map(|plan| self.plan_idx(plan)),
            subjects,
            starts_on,
            ends_on,
            changes: changes.collect(),
        }
    }
}

impl Slots {
    fn value(&self, slot: u16) -> u16 {
        slot_at(&self.values, slot)
    }

    fn text(&self, slot: u16) -> u16 {
        slot_at(&self.texts, slot)
    }

    fn dimensions(&self, dimensions: Vec<Dimension>) -> Vec<Dimension> {
        let renumber = |Dimension { name, slot }| Dimension { name, slot: self.text(slot) };
        dimensions.into_iter().map(renumber).collect()
    }

    fn filter(&self, filter: Vec<FilterTerm>) -> Vec<FilterTerm> {
        let renumber = |FilterTerm { slot, values }| FilterTerm { slot: self.text(slot), values };
        filter.into_iter().map(renumber).collect()
    }
}

/// Prices under other slots, each made once: charges and plans go on sharing them. By the address and type of the earlier
/// price, which is kept, so that its address stays its own.
#[derive(Default)]
struct Prices(HashMap<(*const Price, TypeIdx), Moved>);

struct Moved {
    _from: Arc<Price>,
    to: Arc<Price>,
}

impl Prices {
    fn renumbered(&mut self, price: Arc<Price>, event_type: TypeIdx, slots: &Slots) -> Arc<Price> {
        if price.slots().into_iter().all(|slot| slots.text(slot) == slot) {
            return price;
        }
        let moved = self.0.entry((Arc::as_ptr(&price), event_type)).or_insert_with(|| {
            let to = Arc::new(price.with_slots(&|slot| slots.text(slot)));
            Moved { _from: price, to }
        });
        Arc::clone(&moved.to)
    }
}

/// Entries in the order of their numbers.
fn sorted<T>(entries: impl Iterator<Item = T>, numbers: &[u32]) -> Vec<T> {
    let mut numbered: Vec<(u32, T)> = numbers.iter().copied().zip(entries).collect();
    numbered.sort_by_key(|(number, _)| *number);
    numbered.into_iter().map(|(_, entry)| entry).collect()
}

/// Earlier slots, and behind them the later ones that are new.
fn joined<S>(earlier: Vec<S>, later: Vec<S>, numbers: &[u32]) -> Vec<S> {
    let known = position(earlier.len());
    let added = later.into_iter().zip(numbers).filter(|(_, number)| **number >= known).map(|(slot, _)| slot);
    earlier.into_iter().chain(added).collect()
}

fn at(numbers: &[u32], index: usize) -> u32 {
    *numbers.get(index).expect("a catalog's indices are positions in its lists")
}

fn slot_at(numbers: &[u32], slot: u16) -> u16 {
    // The loader bounds slots by `u16`; both catalogs together have no more than the later one, or a meter has changed.
    u16::try_from(at(numbers, usize::from(slot))).unwrap_or(u16::MAX)
}

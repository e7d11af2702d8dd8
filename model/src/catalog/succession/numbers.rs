//! Numbers of what is in two catalogs: those of the earlier one, what is new behind, in the later text's order.

use std::collections::HashMap;
use std::hash::Hash;

use super::{Numbering, Refusals};
use crate::catalog::{Account, Catalog, Charge, Customer, EventType, Meter, Plan};

/// For each list of the later catalog: the number of each entry, by its position in the text.
pub(super) struct Numbers {
    pub(super) meters: Vec<u32>,
    pub(super) event_types: Vec<u32>,
    pub(super) plans: Vec<u32>,
    pub(super) charges: Vec<u32>,
    pub(super) accounts: Vec<u32>,
    pub(super) customers: Vec<u32>,
    /// By event type in the text.
    pub(super) slots: Vec<Slots>,
}

/// Numbers of the slots of one event type.
#[derive(Default)]
pub(super) struct Slots {
    pub(super) values: Vec<u32>,
    pub(super) texts: Vec<u32>,
}

/// A plan is known by its name and, if it is a customer's own variant, that customer's id.
type PlanName<'c> = (&'c str, Option<&'c str>);

fn plan_name<'c>(catalog: &'c Catalog, plan: &'c Plan) -> PlanName<'c> {
    let owner = plan.variant_of.and_then(|owner| catalog.customers.get(owner.at()));
    (&plan.name, owner.map(|owner| owner.id.as_str()))
}

fn charge_name<'c>(catalog: &'c Catalog, charge: &'c Charge) -> (PlanName<'c>, &'c str) {
    let plan = catalog.plans.get(charge.plan.at()).map_or(("", None), |plan| plan_name(catalog, plan));
    (plan, &charge.name)
}

/// How messages name a plan.
pub(super) fn plan_key(catalog: &Catalog, plan: &Plan) -> String {
    match plan_name(catalog, plan) {
        (name, None) => format!("plans.{name}"),
        (name, Some(owner)) => format!("customers.{owner}.overrides (plan {name:?})"),
    }
}

/// How messages name a charge.
pub(super) fn charge_key(catalog: &Catalog, charge: &Charge) -> String {
    match charge_name(catalog, charge) {
        ((plan, None), name) => format!("plans.{plan}.charges.{name}"),
        ((plan, Some(owner)), name) => format!("customers.{owner}.overrides.{name} (plan {plan:?})"),
    }
}

/// The number of each entry of a list: that of the earlier entry with the same key, or the next one. With it the earlier
/// entries that are missing.
fn number<'a, A, B, K: Eq + Hash>(
    earlier: &'a [A],
    later: &'a [B],
    (key, later_key): (impl Fn(&'a A) -> K, impl Fn(&'a B) -> K),
) -> (Vec<u32>, Vec<&'a A>) {
    let known: HashMap<K, u32> = earlier.iter().map(key).zip(0_u32..).collect();
    let mut found = vec![false; earlier.len()];
    let mut next = position(earlier.len());
    let numbers = later.iter().map(|entry| {
        if let Some(number) = known.get(&later_key(entry)) {
            if let Some(found) = found.get_mut(usize::try_from(*number).unwrap_or(usize::MAX)) {
                *found = true;
            }
            return *number;
        }
        let number = next;
        next = next.saturating_add(1);
        number
    });
    let numbers = numbers.collect();
    let missing = earlier.iter().zip(found).filter(|(_, found)| !found).map(|(entry, _)| entry).collect();
    (numbers, missing)
}

/// Slots stay where they are even if none reads them any more: a changed meter is refused for what it is.
fn number_slots<S: PartialEq>(earlier: &[S], later: &[S]) -> Vec<u32> {
    let mut next = position(earlier.len());
    let numbers = later.iter().map(|slot| {
        let known = earlier.iter().position(|other| other == slot).map(position);
        known.unwrap_or_else(|| {
            let number = next;
            next = next.saturating_add(1);
            number
        })
    });
    numbers.collect()
}

/// A position in a list, which is shorter than 2^32: catalogs come from texts in memory.
pub(super) fn position(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

impl Numbers {
    /// `None`: something is missing, and has been refused by name.
    pub(super) fn of(previous: &Catalog, next: &Catalog, refusals: &mut Refusals) -> Option<Numbers> {
        let (meters, gone) = number(
            &previous.meters,
            &next.meters,
            (|meter: &Meter| meter.name.as_str(), |meter: &Meter| meter.name.as_str()),
        );
        for meter in gone {
            let key = format!("meters.{}", meter.name);
            refusals.refuse(
                key,
                "is gone, but what it has measured is still counted by it",
                "keep it; no charge need use it",
            );
        }
        let (event_types, _) = number(
            &previous.event_types,
            &next.event_types,
            (|t: &EventType| t.name.as_str(), |t: &EventType| t.name.as_str()),
        );
        let (plans, gone) =
            number(&previous.plans, &next.plans, (|plan| plan_name(previous, plan), |plan| plan_name(next, plan)));
        for plan in &gone {
            let fix = match plan.variant_of {
                None => "keep it; no customer need have it",
                Some(_) => "keep the overrides, and the customer's plans that they are for",
            };
            refusals.refuse(plan_key(previous, plan), "is gone, but usage is rated by it", fix);
        }
        let (charges, gone_charges) = number(
            &previous.charges,
            &next.charges,
            (|charge| charge_name(previous, charge), |charge| charge_name(next, charge)),
        );
        let of_kept_plan = |charge: &&Charge| {
            let plan = previous.plans.get(charge.plan.at());
            !plan.is_some_and(|plan| gone.iter().any(|gone| plan_name(previous, gone) == plan_name(previous, plan)))
        };
        for charge in gone_charges.into_iter().filter(of_kept_plan) {
            let reason = "is gone, but has usage in open periods";
            refusals.refuse(
                charge_key(previous, charge),
                reason,
                "keep it, and let customers change to a plan without it",
            );
        }
        let (accounts, gone) =
            number(&previous.accounts, &next.accounts, (|a: &Account| a.name.as_str(), |a: &Account| a.name.as_str()));
        let (customers, gone_customers) =
            number(&previous.customers, &next.customers, (|c: &Customer| c.id.as_str(), |c: &Customer| c.id.as_str()));
        for account in gone {
            // The account of a customer without one goes with the customer.
            if !gone_customers.iter().any(|customer| customer.id == account.name) {
                refusals.refuse(format!("accounts.{}", account.name), "is gone, but has invoices", "keep it");
            }
        }
        for customer in gone_customers {
            let key = format!("customers.{}", customer.id);
            refusals.refuse(key, "is gone, but its usage is still to be billed", "keep it, and end it with ends_on");
        }
        let no_slots = (&[][..], &[][..]);
        let slots = next.event_types.iter().map(|after| {
            let before = previous.event_types.iter().find(|before| before.name == after.name);
            let (values, texts) = before.map_or(no_slots, |before| (&before.values[..], &before.texts[..]));
            Slots { values: number_slots(values, &after.values), texts: number_slots(texts, &after.texts) }
        });
        let slots = slots.collect();
        let numbers = Numbers { meters, event_types, plans, charges, accounts, customers, slots };
        refusals.0.is_empty().then_some(numbers)
    }

    /// Numbers that were kept. Slots have those of the text: no state holds them.
    pub(super) fn kept(numbering: &Numbering, text: &Catalog) -> Option<Numbers> {
        let lens = [
            text.meters.len(),
            text.event_types.len(),
            text.plans.len(),
            text.charges.len(),
            text.accounts.len(),
            text.customers.len(),
        ];
        let is_permutation = |(list, len): (&Vec<u32>, usize)| {
            let mut sorted = list.clone();
            sorted.sort_unstable();
            sorted.len() == len && sorted.into_iter().eq(0..position(len))
        };
        if !numbering.0.iter().zip(lens).all(is_permutation) {
            return None;
        }
        let [meters, event_types, plans, charges, accounts, customers] = numbering.0.clone();
        let slots = |event_type: &EventType| Slots {
            values: (0..position(event_type.values.len())).collect(),
            texts: (0..position(event_type.texts.len())).collect(),
        };
        let slots = text.event_types.iter().map(slots).collect();
        Some(Numbers { meters, event_types, plans, charges, accounts, customers, slots })
    }

    /// All but the slots.
    pub(super) fn lists(&self) -> [&[u32]; 6] {
        [&self.meters, &self.event_types, &self.plans, &self.charges, &self.accounts, &self.customers]
    }

    /// Whether the text alone would lead to other numbers.
    pub(super) fn are_changed(&self) -> bool {
        !self.lists().iter().all(|list| list.iter().copied().eq(0..position(list.len())))
    }
}

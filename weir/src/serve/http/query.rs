//! Questions about usage, live and exact: everything that was acknowledged before is in the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use weir_model::catalog::Catalog;
use weir_model::charge::{Measured, Rule, meter_of};
use weir_model::number::{Amount, Overflow, Quantity};
use weir_model::rated::{BucketTotal, CustomerPeriod, Segment};
use weir_model::time::Instant;
use weir_rater::RatingPlan;
use weir_rater::close::{Close, live};

use super::super::apply::Applier;
use super::super::control::{KeyRecord, Role};
use super::super::stats::{HourStats, Stats};
use super::super::thresholds::Reached;
use super::answer::{self, Problem};
use super::extract::{Id, Query};
use super::{App, auth};

type Answer = Result<Response<Body>, Problem>;

/// Rows of one answer, at most.
const ROWS_MAX: usize = 10_000;

/// Which usage is asked for.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageFilter {
    /// One customer; all otherwise.
    customer: Option<String>,
    /// One meter.
    meter: Option<String>,
    /// Periods that end after this: a date in the catalog's zone, or an instant.
    from: Option<String>,
    /// Periods that begin before this.
    until: Option<String>,
}

/// The total of one bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UsageRow {
    customer: String,
    plan: String,
    charge: String,
    meter: String,
    /// Values of the charge's groups, in its order.
    group: Vec<String>,
    period_start: String,
    period_end: String,
    sealed: bool,
    /// Decimal text in the meter's unit.
    quantity: String,
    events: u64,
    /// A(S), exact, before discount, maximum, minimum and fees.
    amount: String,
    currency: String,
}

/// Totals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Usage {
    /// Everything below this offset of the log is in it.
    offset: u64,
    rows: Vec<UsageRow>,
    /// Whether there is more than fits in one answer.
    truncated: bool,
}

fn internal(error: Overflow) -> Problem {
    Problem::new(500, "overflow", format!("the totals cannot be made: {error}"))
}

fn no_catalog() -> Problem {
    Problem::new(404, "no_catalog", "there is no catalog yet, and so no usage")
}

/// Refuses customers outside of the key's subjects; asking for all takes a key for all.
fn check_scope(caller: Option<&KeyRecord>, customer: Option<&str>) -> Result<(), Problem> {
    let Some(pattern) = caller.and_then(|key| key.subjects.as_ref()) else { return Ok(()) };
    match customer {
        Some(customer) if pattern.matches(customer.as_bytes()) => Ok(()),
        Some(customer) => {
            Err(Problem::new(403, "forbidden_subject", format!("the key may not ask for customer {customer:?}")))
        }
        None => Err(Problem::new(403, "forbidden_subject", "the key may ask for some customers only: name one")),
    }
}

/// Totals by bucket, live and exact: all that was acknowledged before is in them.
#[utoipa::path(
    get, path = "/v1/usage", tag = "usage", security(("key" = ["read"])), params(UsageFilter),
    responses((status = 200, description = "Totals of at most 10,000 buckets", body = Usage)),
)]
pub async fn usage(State(app): State<Arc<App>>, Query(filter): Query<UsageFilter>, headers: HeaderMap) -> Answer {
    let caller = auth::authorize(&app, &headers, Role::Read)?;
    check_scope(caller.as_ref(), filter.customer.as_deref())?;
    let epoch = app.epoch.load_full();
    let catalog = &epoch.rules.as_ref().ok_or_else(no_catalog)?.catalog;
    let instant = |name: &str, text: &Option<String>| {
        let parse = |text: &String| {
            crate::run::parse_instant(name, text, catalog)
                .map_err(|error| Problem::invalid("parameter_invalid", format!("{error:#}")))
        };
        text.as_ref().map(parse).transpose()
    };
    let (from, until) = (instant("from", &filter.from)?, instant("until", &filter.until)?);
    let usage = app.ask(move |engine| collect(&engine.state, &filter, (from, until))).await??;
    Ok(answer::json(200, &usage))
}

fn collect(
    state: &Applier,
    filter: &UsageFilter,
    (from, until): (Option<Instant>, Option<Instant>),
) -> Result<Usage, Problem> {
    let plan = state.plan().ok_or_else(no_catalog)?;
    let catalog = plan.catalog();
    let mut usage = Usage { offset: state.next_offset(), rows: Vec::new(), truncated: false };
    let mut add = |period: &CustomerPeriod| {
        let outside = from.is_some_and(|from| period.period.end <= from)
            || until.is_some_and(|until| period.period.start >= until);
        if outside {
            return;
        }
        for segment in &period.segments {
            for bucket in segment.buckets.iter().filter(|bucket| bucket.events > 0) {
                let row = row(catalog, period, segment, bucket);
                if filter.meter.as_ref().is_some_and(|meter| *meter != row.meter) {
                    continue;
                }
                if usage.rows.len() == ROWS_MAX {
                    usage.truncated = true;
                    return;
                }
                usage.rows.push(row);
            }
        }
    };
    match &filter.customer {
        Some(customer) => live(&state.shards, plan, customer).map_err(internal)?.iter().for_each(add),
        None => {
            let through = Instant::from_micros(i64::MIN);
            let close =
                Close::new(&state.shards, Arc::clone(plan), through, state.settled().clone()).map_err(internal)?;
            let visited: Result<(), Overflow> = close.for_each(|period| {
                add(period);
                Ok(())
            });
            visited.map_err(internal)?;
        }
    }
    Ok(usage)
}

fn row(catalog: &Catalog, period: &CustomerPeriod, segment: &Segment, bucket: &BucketTotal) -> UsageRow {
    let charge = &catalog.charges[bucket.charge.at()];
    let meter = meter_of(catalog, charge);
    let plan = &catalog.plans[segment.plan.at()];
    UsageRow {
        customer: period.customer.clone(),
        plan: plan.name.clone(),
        charge: charge.name.clone(),
        meter: meter.name.clone(),
        group: bucket.group.clone(),
        period_start: period.period.start.to_string(),
        period_end: period.period.end.to_string(),
        sealed: period.seal.is_sealed(),
        quantity: bucket.quantity().to_text(meter.scale),
        events: bucket.events,
        amount: bucket.amount.to_string(),
        currency: plan.currency.to_string(),
    }
}

/// The open period of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Current {
    customer: String,
    offset: u64,
    periods: Vec<CurrentPeriod>,
}

/// A period that is not sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CurrentPeriod {
    period_start: String,
    period_end: String,
    currency: String,
    /// Sum of the lines' amounts.
    amount: String,
    lines: Vec<CurrentLine>,
}

/// A bucket as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CurrentLine {
    #[serde(flatten)]
    row: UsageRow,
    /// The tier that the last unit lies in, from 1; `null` for prices without tiers.
    tier: Option<u32>,
    /// What one more unit costs; `null` where it depends on the event.
    next_unit_amount: Option<String>,
}

/// The bill of a customer as it stands, with what one more unit costs.
#[utoipa::path(
    get, path = "/v1/customers/{id}/current", tag = "usage", security(("key" = ["read"])),
    params(("id" = String, Path, description = "The customer")),
    responses((status = 200, description = "Periods that are not sealed", body = Current)),
)]
pub async fn current(State(app): State<Arc<App>>, Id(customer): Id, headers: HeaderMap) -> Answer {
    let caller = auth::authorize(&app, &headers, Role::Read)?;
    check_scope(caller.as_ref(), Some(&customer))?;
    let current = app.ask(move |engine| current_of(&engine.state, customer)).await??;
    Ok(answer::json(200, &current))
}

fn current_of(state: &Applier, customer: String) -> Result<Current, Problem> {
    let plan = state.plan().ok_or_else(no_catalog)?;
    let catalog = plan.catalog();
    let mut periods = Vec::new();
    for period in live(&state.shards, plan, &customer).map_err(internal)? {
        if period.seal.is_sealed() {
            continue;
        }
        let (mut lines, mut amount, mut currency) = (Vec::new(), Amount::ZERO, String::new());
        for segment in &period.segments {
            currency = catalog.plans[segment.plan.at()].currency.to_string();
            for bucket in &segment.buckets {
                amount = amount.checked_add(bucket.amount).map_err(internal)?;
                let (tier, next) = position(plan, bucket);
                lines.push(CurrentLine {
                    row: row(catalog, &period, segment, bucket),
                    tier,
                    next_unit_amount: next.map(|amount| amount.to_string()),
                });
            }
        }
        periods.push(CurrentPeriod {
            period_start: period.period.start.to_string(),
            period_end: period.period.end.to_string(),
            currency,
            amount: amount.to_string(),
            lines,
        });
    }
    if periods.is_empty() && !catalog.customers.iter().any(|known| known.id == customer) {
        return Err(Problem::new(404, "no_such_customer", format!("nobody named {customer:?} is known or has usage")));
    }
    Ok(Current { customer, offset: state.next_offset(), periods })
}

/// In which tier a bucket stands, and what one more unit of an additive meter costs.
fn position(plan: &RatingPlan, bucket: &BucketTotal) -> (Option<u32>, Option<Amount>) {
    let (_, charge) = plan.charge(bucket.charge);
    let meter = meter_of(plan.catalog(), charge);
    let rule = Rule { charge, cell: bucket.cell, terms: &bucket.terms };
    let lines = rule.lines(&bucket.measured, bucket.amount).unwrap_or_default();
    let tier = lines.iter().filter_map(|(_, line)| line.tier).max();
    let next = match &bucket.measured {
        Measured::One(quantity) if meter.aggregation.is_additive() => {
            let more = quantity.checked_add(Quantity::from_scaled(meter.scale.unit()));
            let after = more.and_then(|more| rule.amount(&Measured::One(more)));
            after.and_then(|after| after.checked_sub(rule.amount(&bucket.measured)?)).ok()
        }
        _ => None,
    };
    (tier, next)
}

/// Whose counts.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StatsFilter {
    /// One customer, hour by hour of the last 25; everybody otherwise.
    #[serde(default)]
    customer: Option<String>,
}

/// What was counted of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CustomerHours {
    customer: String,
    /// By hour of log time.
    hours: BTreeMap<String, HourStats>,
}

/// Counts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum StatsAnswer {
    /// Of everybody.
    Everybody(Stats),
    /// Of one customer.
    Customer(CustomerHours),
}

/// What became of all events, by hour of log time.
#[utoipa::path(
    get, path = "/v1/stats", tag = "usage", security(("key" = ["read"])), params(StatsFilter),
    responses((status = 200, description = "Counts", body = StatsAnswer)),
)]
pub async fn stats(State(app): State<Arc<App>>, Query(filter): Query<StatsFilter>, headers: HeaderMap) -> Answer {
    let caller = auth::authorize(&app, &headers, Role::Read)?;
    check_scope(caller.as_ref(), filter.customer.as_deref())?;
    match filter.customer {
        None => {
            let stats = app.ask(|engine| engine.state.stats()).await?;
            Ok(answer::json(200, &StatsAnswer::Everybody(stats)))
        }
        Some(customer) => {
            let name = customer.clone();
            let hours = app.ask(move |engine| engine.state.hours(Some(&name))).await?;
            Ok(answer::json(200, &StatsAnswer::Customer(CustomerHours { customer, hours })))
        }
    }
}

/// Which records.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ThresholdFilter {
    /// Only those behind this number: the last one that was read.
    #[serde(default)]
    after: u64,
}

/// What was reached, in order.
#[derive(Debug, Serialize, ToSchema)]
pub struct Thresholds {
    /// Each once per threshold, customer and period.
    reached: Vec<Reached>,
}

/// Shows which thresholds were reached, in order: read from the last number on.
#[utoipa::path(
    get, path = "/v1/thresholds", tag = "usage", security(("key" = ["read"])), params(ThresholdFilter),
    responses((status = 200, description = "What was reached", body = Thresholds)),
)]
pub async fn thresholds(
    State(app): State<Arc<App>>,
    Query(filter): Query<ThresholdFilter>,
    headers: HeaderMap,
) -> Answer {
    let caller = auth::authorize(&app, &headers, Role::Read)?;
    check_scope(caller.as_ref(), None)?;
    let reached = app.ask(move |engine| {
        let reached = engine.state.told().after(filter.after);
        reached.get(..reached.len().min(ROWS_MAX)).unwrap_or_default().to_vec()
    });
    Ok(answer::json(200, &Thresholds { reached: reached.await? }))
}

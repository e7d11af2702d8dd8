//! A catalog to make documents from, built by hand so that these tests need no catalog file, and totals whose amounts come
//! from the catalog's own prices.

use std::sync::Arc;

use jiff::tz::TimeZone;
use weir_model::aggregation::Aggregation;
use weir_model::calendar::{Anchor, Cycle, part_of};
use weir_model::catalog::{
    Account, AccountIdx, Allowance, AllowanceScope, BelowZero, Catalog, Charge, ChargeIdx, Customer, CustomerIdx,
    Dimension, Fee, FeeTiming, LatePolicy, Meter, MeterIdx, MidPeriod, Plan, PlanIdx, Pool, PriceVersion, Proration,
    Seller, TypeIdx,
};
use weir_model::charge::{Measured, Rule, Terms};
use weir_model::currency::Currency;
use weir_model::decimal::Decimal;
use weir_model::hash::Digest;
use weir_model::number::{Amount, Quantity, Scale, UnitAmount};
use weir_model::price::{
    CellIdx, Dynamic, Graduated, Leaf, Matrix, MatrixCell, Package, PartialBlock, Price, Tier, Tiers, Unit, Volume,
};
use weir_model::rated::{BucketTotal, CustomerPeriod, Seal, Segment};
use weir_model::time::{Instant, Period};

pub fn amount(text: &str) -> Amount {
    Amount::from_decimal(Decimal::parse(text.as_bytes()).unwrap()).unwrap()
}

pub fn unit_amount(text: &str) -> UnitAmount {
    UnitAmount::from_decimal(Decimal::parse(text.as_bytes()).unwrap()).unwrap()
}

pub fn at(text: &str) -> Instant {
    Instant::from_timestamp(text.parse().unwrap())
}

/// A unit price for a meter that keeps no decimals.
pub fn unit(text: &str) -> Price {
    unit_at(0, text)
}

/// A unit price for a meter that keeps `scale` decimals.
pub fn unit_at(scale: u32, text: &str) -> Price {
    unit_of(10_i128.pow(scale), text)
}

/// A unit price where so many integers make one.
pub fn unit_of(unit: i128, text: &str) -> Price {
    Price::Unit(Unit { unit_amount: unit_amount(text), per: Quantity::from_scaled(unit), unit })
}

pub fn tiers(tiers: &[(Option<i128>, &str, &str)]) -> Tiers {
    let tier = |(up_to, unit, flat): &(Option<i128>, &str, &str)| Tier {
        up_to: up_to.map(Quantity::from_scaled),
        unit_amount: unit_amount(unit),
        per: None,
        flat_amount: amount(flat),
    };
    Tiers::new(tiers.iter().map(tier).collect()).unwrap()
}

pub fn graduated(ladder: &[(Option<i128>, &str, &str)]) -> Price {
    Price::Graduated(Graduated { tiers: tiers(ladder), unit: 1 })
}

pub fn volume(ladder: &[(Option<i128>, &str, &str)]) -> Price {
    Price::Volume(Volume { tiers: tiers(ladder), unit: 1 })
}

pub fn package(size: i128, block: &str, partial: PartialBlock) -> Price {
    Price::Package(Package { size: Quantity::from_scaled(size), amount: unit_amount(block), partial, unit: 1 })
}

/// For each bucket its own, without rollover.
pub fn allowance(quantity: i128) -> Allowance {
    Allowance { quantity: Quantity::from_scaled(quantity), rollover_max: None, scope: AllowanceScope::Group }
}

/// The first version of a price.
pub fn version(price: Price) -> PriceVersion {
    PriceVersion { effective_at: None, mid_period: MidPeriod::NextPeriod, price: Arc::new(price) }
}

/// A version that takes force at its instant.
pub fn split(from: &str, price: Price) -> PriceVersion {
    PriceVersion { effective_at: Some(at(from)), mid_period: MidPeriod::Split, price: Arc::new(price) }
}

/// A catalog with one seller, one customer with an account, and an empty plan.
pub fn catalog(currency: &str, locale: &str) -> Catalog {
    let currency = Currency::parse(currency).unwrap();
    let zone = TimeZone::get("Europe/Paris").unwrap();
    let mut catalog = Catalog {
        name: "acme".into(),
        hash: 0,
        currency,
        time_zone: TimeZone::UTC,
        meters: Vec::new(),
        event_types: Vec::new(),
        plans: Vec::new(),
        charges: Vec::new(),
        accounts: vec![Account { name: "acme-group".into(), currency, time_zone: zone, parent: None }],
        customers: vec![Customer {
            id: "acme".into(),
            name: Some("Société Générale d’Essais <script>alert(\"1\")</script> & Fils 日本株式会社".into()),
            address: vec!["14 Long Lane, Building “C”".into(), "London EC1A 9PN".into(), "United Kingdom".into()],
            tax_id: Some("GB 123 4567 89".into()),
            locale: None,
            account: AccountIdx(0),
            plan: Some(PlanIdx(0)),
            subjects: vec!["acme".into()],
            starts_on: None,
            ends_on: None,
            changes: Vec::new(),
        }],
        seller: Some(Seller {
            name: "Acme AI SAS".into(),
            address: vec!["12, rue de la Paix".into(), "75002 Paris".into(), "France".into()],
            tax_id: Some("FR 40 303 265 045".into()),
            payment_days: 30,
            locale: locale.into(),
            legal_mentions: vec![
                "Acme AI SAS, share capital €50,000 · RCS Paris 303 265 045.".into(),
                "Late payment: three times the legal interest rate, plus €40 for recovery costs.".into(),
            ],
            invoice_prefix: "INV-2026-".into(),
        }),
        default_plan: Some(PlanIdx(0)),
    };
    plan(&mut catalog, "pro");
    catalog
}

/// Adds an empty plan.
pub fn plan(catalog: &mut Catalog, name: &str) -> PlanIdx {
    catalog.plans.push(Plan {
        name: name.into(),
        variant_of: None,
        currency: catalog.currency,
        cycle: Cycle::Months(1),
        anchor: Anchor::Calendar,
        fees: Vec::new(),
        proration: Proration::Exact,
        thresholds: Vec::new(),
        charges: Vec::new(),
    });
    PlanIdx(u32::try_from(catalog.plans.len() - 1).unwrap())
}

/// Adds a fee to the last plan.
pub fn fee(catalog: &mut Catalog, name: &str, text: &str) {
    let plan = catalog.plans.last_mut().unwrap();
    plan.fees.push(Fee { name: name.into(), amount: amount(text), when: FeeTiming::Advance });
}

/// Adds a charge to the last plan, with a meter of its own, which sums at `scale` decimals.
pub fn charge(catalog: &mut Catalog, name: &str, scale: u8, price: Price, group_by: &[&str]) -> ChargeIdx {
    let meter = meter(catalog, &name.replace(' ', "_"), scale, Aggregation::Sum);
    charge_of(catalog, name, meter, price, group_by)
}

pub fn meter(catalog: &mut Catalog, name: &str, scale: u8, aggregation: Aggregation) -> MeterIdx {
    catalog.meters.push(Meter {
        name: name.into(),
        event_type: TypeIdx(0),
        aggregation,
        scale: Scale::new(scale).unwrap(),
        value: Some(0),
        distinct: None,
        series: None,
        estimated: None,
        amount: None,
        dimensions: Vec::new(),
        filter: Vec::new(),
        allow_negative: true,
    });
    MeterIdx(u32::try_from(catalog.meters.len() - 1).unwrap())
}

/// Adds a charge to the last plan.
pub fn charge_of(catalog: &mut Catalog, name: &str, meter: MeterIdx, price: Price, group_by: &[&str]) -> ChargeIdx {
    let index = ChargeIdx(u32::try_from(catalog.charges.len()).unwrap());
    catalog.charges.push(Charge {
        name: name.into(),
        hash: 0,
        plan: PlanIdx(u32::try_from(catalog.plans.len() - 1).unwrap()),
        meter,
        further: Vec::new(),
        versions: vec![version(price)],
        price_name: Some(name.into()),
        filter: Vec::new(),
        group_by: group_by.iter().map(|name| Dimension { name: (*name).into(), slot: 0 }).collect(),
        conversion: None,
        allowance: None,
        round: None,
        discount: None,
        minimum: None,
        maximum: None,
        below_zero: BelowZero::IsPriced,
        pool: Pool::None,
        late_policy: LatePolicy::NextInvoice,
    });
    catalog.plans.last_mut().unwrap().charges.push(index);
    index
}

pub const SEPTEMBER: Period = Period {
    start: Instant::from_micros(1_788_213_600_000_000), // 2026-08-31T22:00:00Z
    end: Instant::from_micros(1_790_805_600_000_000),   // 2026-09-30T22:00:00Z
};

/// September 2026 in Paris, sealed, without usage.
pub fn september() -> CustomerPeriod {
    september_from(SEPTEMBER.start)
}

/// The same, of a customer that has had its plan since then.
pub fn september_from(start: Instant) -> CustomerPeriod {
    month(SEPTEMBER, Period { start, end: SEPTEMBER.end })
}

/// A sealed period in which the plan was active for a part.
pub fn month(period: Period, active: Period) -> CustomerPeriod {
    CustomerPeriod {
        customer: "acme".into(),
        declared: Some(CustomerIdx(0)),
        period,
        seal: Seal::Now,
        segments: vec![Segment { plan: PlanIdx(0), active, buckets: Vec::new() }],
    }
}

/// The terms of a charge's buckets in a segment that does not go on from another.
pub fn terms(catalog: &Catalog, totals: &CustomerPeriod, segment: usize, charge: ChargeIdx) -> Terms {
    let charge = &catalog.charges[charge.at()];
    let Segment { plan, active, .. } = totals.segments[segment];
    let proration = catalog.plans[plan.at()].proration;
    let part = part_of(&active, &totals.period, proration, &catalog.accounts[0].time_zone);
    let allowance = charge.allowance_of(part, &catalog.meters[charge.meter.at()]).unwrap();
    Terms { active, part, versions: charge.versions_in(&active), allowance }
}

/// Adds a bucket priced by its charge; a dynamic price's events bring the quantity as their amount.
pub fn usage(catalog: &Catalog, totals: &mut CustomerPeriod, index: ChargeIdx, group: &[&str], quantity: i128) {
    usage_in(catalog, totals, index, (group, CellIdx::ONLY), quantity);
}

pub fn usage_in(
    catalog: &Catalog,
    totals: &mut CustomerPeriod,
    charge: ChargeIdx,
    (group, cell): (&[&str], CellIdx),
    quantity: i128,
) {
    measured(catalog, totals, charge, (group, cell), Measured::One(Quantity::from_scaled(quantity)));
}

/// Adds a bucket with this usage to the charge's segment.
pub fn measured(
    catalog: &Catalog,
    totals: &mut CustomerPeriod,
    index: ChargeIdx,
    (group, cell): (&[&str], CellIdx),
    measured: Measured,
) {
    let charge = &catalog.charges[index.at()];
    let segment = totals.segments.iter().position(|segment| segment.plan == charge.plan).unwrap();
    let terms = terms(catalog, totals, segment, index);
    let rule = Rule { charge, cell, terms: &terms };
    let amount = match rule.leaf(0).unwrap() {
        Leaf::PerEvent(_) => Amount::from_scaled(measured.quantity().unwrap().scaled() * 10_i128.pow(15)).unwrap(),
        _ => rule.amount(&measured).unwrap(),
    };
    push(totals, segment, bucket_of(index, (group, cell), (terms, measured), amount));
}

/// Adds a bucket with this amount, whatever the price says, to the first segment.
pub fn bucket(
    catalog: &Catalog,
    totals: &mut CustomerPeriod,
    charge: ChargeIdx,
    (group, cell): (&[&str], CellIdx),
    (quantity, amount): (i128, Amount),
) {
    let terms = terms(catalog, totals, 0, charge);
    let measured = Measured::One(Quantity::from_scaled(quantity));
    push(totals, 0, bucket_of(charge, (group, cell), (terms, measured), amount));
}

pub fn bucket_of(
    charge: ChargeIdx,
    (group, cell): (&[&str], CellIdx),
    (terms, measured): (Terms, Measured),
    amount: Amount,
) -> BucketTotal {
    let quantity = measured.quantity().unwrap();
    let events = u64::try_from(quantity.scaled().unsigned_abs() / 97 + 1).unwrap_or(u64::MAX);
    BucketTotal {
        charge,
        group: group.iter().map(|value| (*value).to_owned()).collect(),
        cell,
        terms: Arc::new(terms),
        measured,
        events,
        amount,
        without_usage: Amount::ZERO,
        pool: None,
        digest: Digest(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835_u128.wrapping_mul(u128::from(events))),
    }
}

/// Puts a bucket in its place: they are sorted.
pub fn push(totals: &mut CustomerPeriod, segment: usize, bucket: BucketTotal) {
    let buckets = &mut totals.segments[segment].buckets;
    buckets.push(bucket);
    buckets.sort_by(|a, b| (a.charge, &a.group, a.cell).cmp(&(b.charge, &b.group, b.cell)));
}

/// A month that uses everything: fees, each kind of price, groups, an allowance, hostile names.
pub fn rich(currency: &str, locale: &str) -> (Catalog, CustomerPeriod) {
    rich_from(currency, locale, SEPTEMBER.start)
}

/// The same, of a customer that has had its plan since then.
pub fn rich_from(currency: &str, locale: &str, start: Instant) -> (Catalog, CustomerPeriod) {
    let mut catalog = catalog(currency, locale);
    fee(&mut catalog, "Platform", "49.00");
    fee(&mut catalog, "Priority support, 24 hours a day & 7 days a week, with a named engineer", "1250");
    let ladder = [(Some(1_000_000), "0.000002", "0"), (Some(5_000_000), "0.0000015", "5"), (None, "0.000001", "0")];
    let tokens = charge(&mut catalog, "Tokens", 0, graduated(&ladder), &["model"]);
    catalog.charges[tokens.at()].allowance = Some(allowance(100_000));
    catalog.charges[tokens.at()].discount = Some(unit_amount("0.125"));
    let images = charge(&mut catalog, "Images", 0, volume(&[(Some(1_000), "0.02", "0"), (None, "0.015", "0")]), &[]);
    catalog.charges[images.at()].maximum = Some(amount("150"));
    let seats = charge(&mut catalog, "Seats", 0, unit("12"), &[]);
    catalog.charges[seats.at()].minimum = Some(amount("500"));
    let block = Price::Package(Package {
        size: Quantity::from_scaled(1_000_000),
        amount: unit_amount("5"),
        partial: PartialBlock::Up,
        unit: 1_000,
    });
    let calls = charge(&mut catalog, "API calls", 3, block, &[]);
    let cell = |region: &str, price: &str| MatrixCell { when: vec![region.into()], price: unit(price) };
    let regions = vec![Dimension { name: "region".into(), slot: 1 }];
    let cells = vec![cell("eu-west-3", "0.0000000231"), cell("us-east-1", "0.0000000198")];
    let matrix = Matrix::new(regions, cells, Some(unit("0.00000003"))).unwrap();
    let storage = charge(&mut catalog, "Storage & transfer", 0, Price::Matrix(matrix), &[]);
    let own = Price::Dynamic(Dynamic { multiplier: unit_amount("1.2") });
    let market = charge(&mut catalog, "Marketplace", 0, own, &["vendor", "品目"]);

    let mut totals = september_from(start);
    usage(&catalog, &mut totals, tokens, &["gpt-4"], 7_345_678);
    usage(&catalog, &mut totals, tokens, &["mistral-large <b>\"2\"</b>"], 999_999);
    usage(&catalog, &mut totals, images, &[], 12_345);
    usage(&catalog, &mut totals, seats, &[], 25);
    usage(&catalog, &mut totals, calls, &[], 3_456_789);
    usage_in(&catalog, &mut totals, storage, (&[], CellIdx(0)), 812_345_678);
    usage_in(&catalog, &mut totals, storage, (&[], CellIdx(1)), 1_234_567_890);
    usage_in(&catalog, &mut totals, storage, (&[], CellIdx(2)), 55_555);
    usage(&catalog, &mut totals, market, &["", "日本語"], 12_345);
    usage(&catalog, &mut totals, market, &["Zoë’s models", "poids & mesures"], 99_999);
    (catalog, totals)
}

/// A document of several pages: so many groups, each with its tiers.
pub fn long(groups: u32) -> (Catalog, CustomerPeriod) {
    let (catalog, mut totals) = rich("EUR", "fr");
    for i in 0..groups {
        let group = format!("model-{i:03}");
        usage(&catalog, &mut totals, ChargeIdx(0), &[&group], i128::from(i) * 131_071 + 100_001);
    }
    (catalog, totals)
}

//! A catalog to make documents from, built by hand so that these tests need no catalog file, and totals whose amounts come
//! from the catalog's own prices.

use jiff::tz::TimeZone;
use weir_model::aggregation::Aggregation;
use weir_model::calendar::{Anchor, Cycle};
use weir_model::catalog::{
    Account, AccountIdx, Catalog, Charge, ChargeIdx, Customer, CustomerIdx, Dimension, Fee, FeeTiming, Meter, MeterIdx,
    Plan, PlanIdx, Proration, Seller, TypeIdx,
};
use weir_model::charge::BucketRule;
use weir_model::currency::Currency;
use weir_model::decimal::Decimal;
use weir_model::hash::Digest;
use weir_model::number::{Amount, Quantity, Scale, UnitAmount};
use weir_model::price::{
    CellIdx, Dynamic, Graduated, Matrix, MatrixCell, Package, PartialBlock, Price, Tier, Tiers, Unit, Volume,
};
use weir_model::rated::{BucketTotal, CustomerPeriod};
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
    let unit = 10_i128.pow(scale);
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

/// A catalog with one seller, one customer with an account, and an empty plan.
pub fn catalog(currency: &str, locale: &str) -> Catalog {
    let currency = Currency::parse(currency).unwrap();
    let zone = TimeZone::get("Europe/Paris").unwrap();
    Catalog {
        name: "acme".into(),
        hash: 0,
        currency,
        time_zone: TimeZone::UTC,
        meters: Vec::new(),
        event_types: Vec::new(),
        plans: vec![Plan {
            name: "pro".into(),
            variant_of: None,
            currency,
            cycle: Cycle::Months(1),
            anchor: Anchor::Calendar,
            fees: Vec::new(),
            proration: Proration::Exact,
            charges: Vec::new(),
        }],
        charges: Vec::new(),
        accounts: vec![Account { name: "acme-group".into(), currency, time_zone: zone }],
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
    }
}

pub fn fee(catalog: &mut Catalog, name: &str, text: &str) {
    catalog.plans[0].fees.push(Fee { name: name.into(), amount: amount(text), when: FeeTiming::Advance });
}

/// Adds a charge with a meter of its own, which sums at `scale` decimals.
pub fn charge(catalog: &mut Catalog, name: &str, scale: u8, price: Price, group_by: &[&str]) -> ChargeIdx {
    let meter = MeterIdx(u32::try_from(catalog.meters.len()).unwrap());
    let index = ChargeIdx(u32::try_from(catalog.charges.len()).unwrap());
    catalog.meters.push(Meter {
        name: name.replace(' ', "_"),
        event_type: TypeIdx(0),
        aggregation: Aggregation::Sum,
        scale: Scale::new(scale).unwrap(),
        value: Some(0),
        distinct: None,
        amount: None,
        dimensions: Vec::new(),
        filter: Vec::new(),
        allow_negative: true,
    });
    catalog.charges.push(Charge {
        name: name.into(),
        hash: 0,
        plan: PlanIdx(0),
        meter,
        price,
        price_name: Some(name.into()),
        filter: Vec::new(),
        group_by: group_by.iter().map(|name| Dimension { name: (*name).into(), slot: 0 }).collect(),
        allowance: None,
        round: None,
    });
    catalog.plans[0].charges.push(index);
    index
}

/// September 2026 in Paris, sealed, without usage.
pub fn september() -> CustomerPeriod {
    let period = Period { start: at("2026-08-31T22:00:00Z"), end: at("2026-09-30T22:00:00Z") };
    CustomerPeriod {
        customer: "acme".into(),
        declared: Some(CustomerIdx(0)),
        plan: PlanIdx(0),
        period,
        active: period,
        sealed: true,
        buckets: Vec::new(),
    }
}

/// Adds a bucket priced by its charge; a dynamic price's events bring the quantity as their amount.
pub fn usage(catalog: &Catalog, totals: &mut CustomerPeriod, index: ChargeIdx, group: &[&str], quantity: i128) {
    usage_in(catalog, totals, index, (group, CellIdx::NONE), quantity);
}

pub fn usage_in(
    catalog: &Catalog,
    totals: &mut CustomerPeriod,
    charge: ChargeIdx,
    (group, cell): (&[&str], CellIdx),
    quantity: i128,
) {
    let rule = catalog.charges[charge.at()].rule(cell).unwrap();
    let amount = match rule {
        BucketRule::Cumulative(price) => {
            catalog.charges[charge.at()].cumulative_amount(price, Quantity::from_scaled(quantity)).unwrap()
        }
        _ => Amount::from_scaled(quantity * 10_i128.pow(15)).unwrap(),
    };
    bucket(totals, charge, (group, cell), Quantity::from_scaled(quantity), amount);
}

/// Adds a bucket with this amount, whatever the price says.
pub fn bucket(
    totals: &mut CustomerPeriod,
    charge: ChargeIdx,
    (group, cell): (&[&str], CellIdx),
    quantity: Quantity,
    amount: Amount,
) {
    let events = u64::try_from(quantity.scaled().unsigned_abs() / 97 + 1).unwrap_or(u64::MAX);
    let digest = Digest(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835_u128.wrapping_mul(u128::from(events)));
    let group = group.iter().map(|value| (*value).to_owned()).collect();
    totals.buckets.push(BucketTotal { charge, group, cell, quantity, events, amount, digest });
}

/// A month that uses everything: fees, each price, groups, an allowance, hostile names.
pub fn rich(currency: &str, locale: &str) -> (Catalog, CustomerPeriod) {
    let mut catalog = catalog(currency, locale);
    fee(&mut catalog, "Platform", "49.00");
    fee(&mut catalog, "Priority support, 24 hours a day & 7 days a week, with a named engineer", "1250");
    let ladder =
        tiers(&[(Some(1_000_000), "0.000002", "0"), (Some(5_000_000), "0.0000015", "5"), (None, "0.000001", "0")]);
    let tokens = charge(&mut catalog, "Tokens", 0, Price::Graduated(Graduated { tiers: ladder, unit: 1 }), &["model"]);
    catalog.charges[tokens.at()].allowance = Some(Quantity::from_scaled(100_000));
    let volume = tiers(&[(Some(1_000), "0.02", "0"), (None, "0.015", "0")]);
    let images = charge(&mut catalog, "Images", 0, Price::Volume(Volume { tiers: volume, unit: 1 }), &[]);
    let seats = charge(&mut catalog, "Seats", 0, unit("12"), &[]);
    let block = Package { size: Quantity::from_scaled(1_000_000), amount: unit_amount("5"), partial: PartialBlock::Up };
    let calls = charge(&mut catalog, "API calls", 3, Price::Package(block), &[]);
    let cell = |region: &str, price: &str| MatrixCell { when: vec![region.into()], price: unit(price) };
    let regions = vec![Dimension { name: "region".into(), slot: 1 }];
    let cells = vec![cell("eu-west-3", "0.0000000231"), cell("us-east-1", "0.0000000198")];
    let matrix = Matrix::new(regions, cells, Some(unit("0.00000003"))).unwrap();
    let storage = charge(&mut catalog, "Storage & transfer", 0, Price::Matrix(matrix), &[]);
    let own = Price::Dynamic(Dynamic { multiplier: unit_amount("1") });
    let market = charge(&mut catalog, "Marketplace", 0, own, &["vendor", "品目"]);

    let mut totals = september();
    usage(&catalog, &mut totals, tokens, &["gpt-4"], 7_345_678);
    usage(&catalog, &mut totals, tokens, &["mistral-large <b>\"2\"</b>"], 999_999);
    usage(&catalog, &mut totals, images, &[], 12_345);
    usage(&catalog, &mut totals, seats, &[], 25);
    usage(&catalog, &mut totals, calls, &[], 3_456_789);
    usage_in(&catalog, &mut totals, storage, (&[], CellIdx(0)), 812_345_678);
    usage_in(&catalog, &mut totals, storage, (&[], CellIdx(1)), 1_234_567_890);
    usage_in(&catalog, &mut totals, storage, (&[], CellIdx::OTHERWISE), 55_555);
    usage(&catalog, &mut totals, market, &["", "日本語"], 12_345);
    usage(&catalog, &mut totals, market, &["Zoë’s models", "poids & mesures"], 99_999);
    (catalog, totals)
}

/// A document of several pages: so many groups, each with its tiers.
pub fn long(groups: u32) -> (Catalog, CustomerPeriod) {
    let (catalog, mut totals) = rich("EUR", "fr");
    let tokens = ChargeIdx(0);
    let mut more = september();
    for i in 0..groups {
        let group = format!("model-{i:03}");
        usage(&catalog, &mut more, tokens, &[&group], i128::from(i) * 131_071 + 100_001);
    }
    more.buckets.append(&mut totals.buckets);
    (catalog, more)
}

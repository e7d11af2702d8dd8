//! The answer of every job against one that is worked out again from its files alone: the lines as JSON, the prices as the
//! catalog has them, quantities by customer and meter in plain maps.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;
use weir_loadtest::job::{Answer, Job, Shape};

/// All shapes with few lines, as they are and with so few customers that every tier is reached.
fn shapes() -> Vec<Shape> {
    let all = Shape::table().into_iter().chain([Shape::JOB_J]);
    all.flat_map(|shape| {
        let customers = shape.customers.min(3);
        let meters = shape.meters.min(2);
        [Shape { lines: 2_000, ..shape.clone() }, Shape { lines: 3_000, customers, meters, ..shape }]
    })
    .collect()
}

/// Tiers as (last unit, unit amount in millionths).
fn tiers(catalog: &toml::Value) -> Vec<(Option<u128>, u128)> {
    let tier = |tier: &toml::Value| {
        let unit_amount = tier["unit_amount"].as_str().unwrap();
        let (whole, fraction) = unit_amount.split_once('.').unwrap_or((unit_amount, ""));
        let up_to = tier.get("up_to").map(|up_to| u128::try_from(up_to.as_integer().unwrap()).unwrap());
        (up_to, whole.parse::<u128>().unwrap() * 1_000_000 + format!("{fraction:0<6}").parse::<u128>().unwrap())
    };
    catalog["prices"]["graduated"]["tiers"].as_array().unwrap().iter().map(tier).collect()
}

/// Unit by unit tier: how much of the quantity lies in each.
fn price(tiers: &[(Option<u128>, u128)], quantity: u128) -> u128 {
    let lowers = [0].into_iter().chain(tiers.iter().filter_map(|(up_to, _)| *up_to));
    let inside = |lower: u128, up_to: Option<u128>| quantity.min(up_to.unwrap_or(u128::MAX)).saturating_sub(lower);
    tiers.iter().zip(lowers).map(|((up_to, unit), lower)| inside(lower, *up_to) * unit).sum()
}

fn naive(text: &str, catalog: &str) -> Answer {
    let catalog: toml::Value = toml::from_str(catalog).unwrap();
    let meters: HashMap<&str, &str> = catalog["meters"]
        .as_table()
        .unwrap()
        .iter()
        .map(|(name, meter)| (meter["event_type"].as_str().unwrap(), name.as_str()))
        .collect();
    let (mut seen, mut quantities) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let string = |name: &str| event[name].as_str().unwrap().to_owned();
        if let Some(first) = seen.get(&string("id")) {
            assert_eq!(*first, line, "a repeat is byte-identical");
            continue;
        }
        seen.insert(string("id"), line);
        assert!(string("time").starts_with("2026-08-") && event["data"].as_object().unwrap().len() >= 2);
        let key = (string("subject"), meters[string("type").as_str()]);
        *quantities.entry(key).or_insert(0) += u128::from(event["data"]["value"].as_u64().unwrap());
    }
    let tiers = tiers(&catalog);
    let customers: BTreeSet<&String> = quantities.keys().map(|(customer, _)| customer).collect();
    let count = |length: usize| u64::try_from(length).unwrap();
    Answer {
        lines: count(text.lines().count()),
        bytes: count(text.len()),
        unique: count(seen.len()),
        duplicates: count(text.lines().count() - seen.len()),
        customers: count(customers.len()),
        totals: count(quantities.len()),
        amount_micros: quantities.values().map(|q| price(&tiers, *q)).sum::<u128>().try_into().unwrap(),
    }
}

#[test]
fn answers_follow_from_the_files() {
    for shape in shapes() {
        let job = Job::new(shape).unwrap();
        let mut out = Vec::new();
        let answer = job.write(&mut out).unwrap();
        assert_eq!(answer, naive(std::str::from_utf8(&out).unwrap(), &job.catalog()), "{:?}", job.shape());
        let per_mille = answer.duplicates * 1_000 / answer.lines;
        assert!((35..65).contains(&per_mille), "{per_mille} repeats of a thousand lines");
    }
}

#[test]
fn fields_are_as_many_as_the_shape_says() {
    for fields in [2, 3, 30] {
        let job = Job::new(Shape { fields, ..Shape::JOB_J }).unwrap();
        let mut line = Vec::new();
        job.write_line(&job.event(0), &mut line);
        let event: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(event["data"].as_object().unwrap().len(), usize::try_from(fields).unwrap());
    }
}

#[test]
fn a_job_is_the_same_every_time_and_another_for_another_seed() {
    let text = |seed| {
        let mut out = Vec::new();
        Job::new(Shape { seed, lines: 500, ..Shape::JOB_J }).unwrap().write(&mut out).unwrap();
        out
    };
    assert!(text(1) == text(1) && text(1) != text(2));
}

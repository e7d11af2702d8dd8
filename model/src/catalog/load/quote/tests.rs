//! What a file of prices becomes, and where its problems stand.

use super::*;
use crate::catalog::NoFiles;

fn catalog(text: &str, name: &str, decimals: u8) -> Result<Catalog, String> {
    let file = PriceFile::new("p.toml", text, &NoFiles).map_err(|error| error.to_string())?;
    file.catalog(name, decimals).map_err(|error| error.to_string())
}

#[test]
fn the_stand_in_suits_the_price() {
    let unit = "[prices.p]\nmodel = \"unit\"\nunit_amount = \"0.01\"\n";
    let matrix = "[prices.p]\nmodel = \"schedule\"\nwindows = [{ from = \"08:00\", to = \"20:00\", price = { \
        model = \"matrix\", cells = [{ when = { z = \"1\", \"a b\" = \"2\" }, \
        price = { model = \"unit\", unit_amount = \"1\", per = \"0.25\" } }] } }]\n";
    let capacity = "[prices.p]\nmodel = \"capacity\"\ncurrency = \"JPY\"\n\
        tiers = [{ up_to = { seats = 1, disk = \"1.5\" }, flat_amount = 1 }, { flat_amount = 2 }]\n";
    let allowance = "[charge]\nallowance = { quantity = \"0.125\" }\n";
    for (text, decimals, meters, scale, dimensions, currency) in [
        (unit.to_owned(), 0, vec!["quantity"], 0, vec![], "USD"),
        (format!("currency = \"EUR\"\n{unit}"), 3, vec!["quantity"], 3, vec![], "EUR"),
        (format!("currency = \"EUR\"\n{capacity}"), 0, vec!["disk", "seats"], 1, vec![], "JPY"),
        (format!("{unit}{allowance}"), 0, vec!["quantity"], 3, vec![], "USD"),
        (matrix.to_owned(), 1, vec!["quantity"], 2, vec!["a b", "z"], "USD"),
    ] {
        let catalog = catalog(&text, "p", decimals).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let names: Vec<&str> = catalog.meters.iter().map(|meter| meter.name.as_str()).collect();
        assert_eq!(names, meters, "{text}");
        assert!(catalog.meters.iter().all(|meter| meter.scale.decimals() == scale), "{text}");
        let found: Vec<&str> = catalog.meters[0].dimensions.iter().map(|dimension| dimension.name.as_str()).collect();
        assert_eq!(found, dimensions, "{text}");
        assert_eq!((catalog.charges.len(), catalog.currency.code()), (1, currency), "{text}");
    }
}

#[test]
fn values_may_be_below_zero_where_prices_allow_it() {
    for (price, expected) in [
        ("model = \"unit\"\nunit_amount = 1\nper = \"0.5\"", true),
        ("model = \"dynamic\"", true),
        ("model = \"percentage\"\nrate = \"0.1\"", true),
        ("model = \"percentage\"\nrate = \"0.1\"\nfree_events = 1", false),
        ("model = \"package\"\nsize = 10\namount = 1", false),
        ("model = \"capacity\"\ntiers = [{ up_to = { seats = 1 }, flat_amount = 1 }, { flat_amount = 2 }]", false),
    ] {
        let catalog = catalog(&format!("[prices.p]\n{price}"), "p", 0).unwrap();
        assert_eq!(catalog.meters[0].allow_negative, expected, "{price}");
    }
}

#[test]
fn problems_stand_where_the_file_has_them() {
    let price = "[prices.p]\nmodel = \"percentage\"\nrate = \"0.1\"\n";
    let fine = "[prices.p]\nmodel = \"unit\"\nunit_amount = 1\nper = \"0.0000000000001\"";
    let splits = "[prices.p]\nmodel = \"volume\"\ntiers = [{ unit_amount = 1 }]\n[[prices.p.versions]]\n\
        effective_at = \"2026-10-01\"\nmid_period = \"split\"\nmodel = \"unit\"\nunit_amount = 1\n";
    for (text, name, expected) in [
        (price.to_owned(), "q", "p.toml:1: prices: there is no price \"q\"; did you mean \"p\"?"),
        (format!("prizes = 1\n{price}"), "p", "p.toml:1: prizes: is not a key here; did you mean \"prices\"?"),
        (
            "currency = \"EUR\"".to_owned(),
            "p",
            "p.toml:1: prices: is missing; add prices = { tokens = { model = \"unit\", unit_amount = \"0.01\" } }",
        ),
        ("[prices]".to_owned(), "p", "p.toml:1: prices: has no price; add a table such as [prices.tokens]"),
        (format!("{price}fixd = 1"), "p", "p.toml:4: prices.p.fixd: is not a key here; did you mean \"fixed\"?"),
        (
            format!("{price}[charge]\ngroup_by = [\"a\"]"),
            "p",
            "p.toml:5: charge.group_by: is a key of a plan's charge, not of a quote; leave it out",
        ),
        (
            format!("{price}[charge]\nallowance = {{ quantity = 1 }}"),
            "p",
            "p.toml:5: charge.allowance: an allowance cannot stand with a percentage price; leave out one of them",
        ),
        (
            format!("{price}[charge]\nminimum = 2\nmaximum = 1"),
            "p",
            "p.toml:5: charge.minimum: 2 is above the maximum, which is 1; lower it",
        ),
        (fine.to_owned(), "p", "p.toml:4: prices.p.per: 0.0000000000001 is finer than the meter's scale, which is 12"),
        (
            splits.to_owned(),
            "p",
            "p.toml:4: prices.p.versions[0]: a volume price cannot split a period; use mid_period = \"next_period\"",
        ),
    ] {
        assert_eq!(catalog(&text, name, 0).map(|_| ()), Err(expected.to_owned()), "{text}");
    }
}

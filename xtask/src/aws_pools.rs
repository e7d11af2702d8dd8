//! `cargo xtask aws-pools`: the free allowances of the real AWS bill, as pooled charges.
//!
//! AWS grants some allowances per month to all linked accounts together, and its report shows what came of it: rows at a
//! rate of zero until the allowance is spent, rows at the public rate from then on. The catalog made here knows neither kind,
//! only the public price and the allowance.
//!
//! Owns: which SKUs are pooled, and their public prices. Does not own: rating, nor whether the bill agrees, which
//! `weir/tests/aws_pools.rs` checks. The result is made, never committed: the data has a licence of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// The catalog but for its pools.
const TEMPLATE: &str = include_str!("aws_pools/catalog.toml");

/// Reads the report's rates and its pools, both in `data`, and writes `catalog.toml` into `out`. Returns the pools' names.
pub(crate) fn write(data: &Path, out: &Path) -> Result<Vec<String>> {
    let read = |name: &str| {
        let path = data.join(name);
        std::fs::read(&path).with_context(|| path.display().to_string())
    };
    let pools = Pool::read(&read("tier_truth.csv")?, &read("rates.csv")?)?;
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let path = out.join("catalog.toml");
    std::fs::write(&path, catalog(&pools)).with_context(|| path.display().to_string())?;
    Ok(pools.into_iter().map(|pool| pool.name).collect())
}

/// An allowance that the linked accounts share. Figures are decimal texts, verbatim.
#[derive(Debug, PartialEq, Eq)]
struct Pool {
    name: String,
    /// Free units per month.
    allowance: String,
    /// Public price of a unit.
    public_rate: String,
    /// The rates at which the report bills the SKU: those of its free rows, too.
    rate_ids: Vec<String>,
}

impl Pool {
    /// The pools that `truth_csv` names by SKU, in the order of their SKUs, at the public rates of `rates_csv`.
    fn read(truth_csv: &[u8], rates_csv: &[u8]) -> Result<Vec<Pool>> {
        let mut pools: BTreeMap<String, Pool> = BTreeMap::new();
        for [sku, name, allowance] in columns(truth_csv, ["sku", "pool", "allowance"])? {
            let pool = pools.entry(sku).or_insert_with(|| Pool {
                name: name.clone(),
                allowance: allowance.clone(),
                public_rate: String::new(),
                rate_ids: Vec::new(),
            });
            let is_same = (&pool.name, &pool.allowance) == (&name, &allowance);
            ensure!(is_same, "pool {name} is not the same in every month");
        }
        for [sku, rate_id, public_rate] in columns(rates_csv, ["sku", "rate_id", "public_rate"])? {
            let Some(pool) = pools.get_mut(&sku) else { continue };
            if pool.public_rate.is_empty() {
                pool.public_rate.clone_from(&public_rate);
            }
            ensure!(pool.public_rate == public_rate, "SKU {sku} has two public rates");
            if !pool.rate_ids.contains(&rate_id) {
                pool.rate_ids.push(rate_id);
            }
        }
        if let Some((sku, _)) = pools.iter().find(|(_, pool)| pool.public_rate.is_empty()) {
            bail!("SKU {sku} has no public rate");
        }
        Ok(pools.into_values().collect())
    }
}

/// Some columns of a CSV text, by name.
fn columns<const N: usize>(text: &[u8], names: [&str; N]) -> Result<Vec<[String; N]>> {
    let mut reader = csv::Reader::from_reader(text);
    let header = reader.headers()?.clone();
    for name in names {
        ensure!(header.iter().any(|cell| cell == name), "no column `{name}`");
    }
    let at = names.map(|name| header.iter().position(|cell| cell == name).unwrap_or(usize::MAX));
    let rows = reader.records().map(|record| {
        let record = record?;
        Ok(at.map(|column| record.get(column).unwrap_or_default().to_owned()))
    });
    rows.collect()
}

/// Quoted texts of Rust are texts of TOML, too, for the ASCII of names and rate ids.
fn catalog(pools: &[Pool]) -> String {
    let mut text = TEMPLATE.to_owned();
    for Pool { name, allowance, public_rate, rate_ids } in pools {
        let lines = [
            "\n[[plans.aws.charges]]".to_owned(),
            format!("name = {name:?}"),
            "meter = \"usage\"".to_owned(),
            format!("filter = {{ rate_id = {rate_ids:?} }}"),
            "pool = \"account\"".to_owned(),
            format!("allowance = {{ quantity = {allowance:?} }}"),
            format!("price = {{ model = \"unit\", unit_amount = {public_rate:?} }}"),
        ];
        for line in lines {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use weir_model::catalog::{NoFiles, Pool as Pooled};

    use super::*;
    use crate::workspace;

    const TRUTH: &str =
        "month,sku,pool,allowance\n2018-10,A,put,2000\n2018-11,A,put,2000\n2018-10,B,\"budget-days\",62\n";
    const RATES: &str = "sku,rate_id,public_rate\nA,1,0.05\nA,1,0.05\nA,2,0.05\nC,3,7\nB,4,0.02\n";

    #[test]
    fn pools_are_read() {
        let pools = Pool::read(TRUTH.as_bytes(), RATES.as_bytes()).unwrap();
        let pool = |name: &str, allowance: &str, public_rate: &str, ids: &[&str]| Pool {
            name: name.to_owned(),
            allowance: allowance.to_owned(),
            public_rate: public_rate.to_owned(),
            rate_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        };
        assert_eq!(pools, [pool("put", "2000", "0.05", &["1", "2"]), pool("budget-days", "62", "0.02", &["4"])]);
        let (catalog, problems) = weir_model::catalog::load("catalog.toml", &catalog(&pools), &NoFiles).unwrap();
        assert_eq!(problems, vec![]);
        assert!(catalog.charges.iter().all(|charge| charge.pool == Pooled::Account), "{:?}", catalog.charges);
    }

    #[test]
    fn a_list_that_contradicts_itself_is_refused() {
        for (truth, rates, expected) in [
            ("sku,pool\n", RATES, "no column `allowance`"),
            ("sku,pool,allowance\nA,put,1\nA,put,2\n", RATES, "pool put is not the same in every month"),
            (TRUTH, "sku,rate_id,public_rate\nA,1,0.05\nA,2,0.06\n", "SKU A has two public rates"),
            (TRUTH, "sku,rate_id,public_rate\nA,1,0.05\n", "SKU B has no public rate"),
        ] {
            let error = Pool::read(truth.as_bytes(), rates.as_bytes()).unwrap_err();
            assert_eq!(format!("{error:#}"), expected);
        }
    }

    #[test]
    fn the_real_lists_become_a_catalog() {
        let Some(data) = workspace::data_dir(&workspace::root().unwrap()) else {
            eprintln!("*** SKIPPED: {} ***", workspace::NO_DATA);
            return;
        };
        let out = tempfile::tempdir().unwrap();
        let names = write(&data.join("aws_cur"), out.path()).unwrap();
        assert_eq!(names, ["s3-put", "regional-gb", "budget-days", "s3-get"]);
        let text = std::fs::read_to_string(out.path().join("catalog.toml")).unwrap();
        let (catalog, problems) = weir_model::catalog::load("catalog.toml", &text, &NoFiles).unwrap();
        assert_eq!((catalog.charges.len(), problems), (4, vec![]));
    }
}

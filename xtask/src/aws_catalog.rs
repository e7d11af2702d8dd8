//! `cargo xtask aws-catalog`: the catalog of a real AWS bill, from the list of its rates.
//!
//! Owns: which rate ids have a rate, and hence which rows a price list can price. Does not own: rating; the catalog is
//! read by Weir like any other. The result is made, never committed: the data has a licence of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// The catalog, with a mark for each list that the data decides.
const TEMPLATE: &str = include_str!("aws_catalog/catalog.toml");
/// The cells' name beside the catalog.
const CELLS_FILE: &str = "rates.csv";

/// What [`write`] made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Rate ids with a rate: the matrix's cells.
    pub(crate) cells: usize,
    /// Rate ids without: Spot.
    pub(crate) without_rate: usize,
}

/// Reads `rates_csv` and writes `catalog.toml` and its cells into `out`.
pub(crate) fn write(rates_csv: &Path, out: &Path) -> Result<Written> {
    let text = std::fs::read(rates_csv).with_context(|| rates_csv.display().to_string())?;
    let rates = Rates::read(&text).with_context(|| rates_csv.display().to_string())?;
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    for (name, text) in [("catalog.toml", rates.catalog()), (CELLS_FILE, rates.cells())] {
        let path = out.join(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(Written { cells: rates.by_id.len(), without_rate: rates.spot_ids.len() })
}

/// The price list behind the report.
#[derive(Debug, Default)]
struct Rates {
    /// The unblended rate, verbatim, of each rate id that has one.
    by_id: BTreeMap<String, String>,
    /// Rate ids without one.
    spot_ids: BTreeSet<String>,
    /// What those were used for.
    spot_usage_types: BTreeSet<String>,
}

impl Rates {
    fn read(text: &[u8]) -> Result<Rates> {
        let mut reader = csv::Reader::from_reader(text);
        let header = reader.headers()?.clone();
        let column =
            |name: &str| header.iter().position(|cell| cell == name).with_context(|| format!("no column `{name}`"));
        let columns = [column("rate_id")?, column("unblended_rate")?, column("usage_type")?];
        let mut rates = Rates::default();
        for (index, record) in reader.records().enumerate() {
            let record = record?;
            let [Some(id), Some(rate), Some(usage_type)] = columns.map(|column| record.get(column)) else {
                bail!("record {}: too few columns", index + 1);
            };
            rates.add(id, rate, usage_type).with_context(|| format!("record {}", index + 1))?;
        }
        Ok(rates)
    }

    fn add(&mut self, id: &str, rate: &str, usage_type: &str) -> Result<()> {
        if rate.is_empty() {
            self.spot_ids.insert(id.to_owned());
            self.spot_usage_types.insert(usage_type.to_owned());
        } else {
            let known = self.by_id.entry(id.to_owned()).or_insert_with(|| rate.to_owned());
            ensure!(known == rate, "rate id {id} has two rates: {known} and {rate}");
        }
        ensure!(!(self.by_id.contains_key(id) && self.spot_ids.contains(id)), "rate id {id} has a rate and has none");
        Ok(())
    }

    fn catalog(&self) -> String {
        let rates: BTreeSet<&String> = self.by_id.values().collect();
        TEMPLATE.replace("@RATES@", &toml_list(rates)).replace("@SPOT@", &toml_list(&self.spot_usage_types))
    }

    fn cells(&self) -> String {
        let mut text = String::from("rate_id,unit_amount\n");
        for (id, rate) in &self.by_id {
            text.extend([id, ",", rate, "\n"]);
        }
        text
    }
}

/// A quoted text of Rust is one of TOML, too, for the ASCII of rates and usage types.
fn toml_list<'a>(values: impl IntoIterator<Item = &'a String>) -> String {
    let quoted: Vec<String> = values.into_iter().map(|value| format!("{value:?}")).collect();
    format!("[{}]", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use weir_model::catalog::{CatalogFiles, EventRounding};
    use weir_model::price::Price;
    use weir_model::rounding::RoundingMode;

    use super::*;
    use crate::workspace;

    struct Beside<'a>(&'a Path);

    impl CatalogFiles for Beside<'_> {
        fn read(&self, path: &str) -> std::io::Result<String> {
            std::fs::read_to_string(self.0.join(path))
        }
    }

    const HEADER: &str = "product_code,usage_type,rate_id,unblended_rate,description\n";

    #[test]
    fn rates_are_read() {
        let text = format!("{HEADER}S3,Put,7,0.10,\"a, \"\"b\"\"\"\nS3,Get,7,0.10,c\nEC2,SpotUsage:x,9,,d\n");
        let rates = Rates::read(text.as_bytes()).unwrap();
        assert_eq!(rates.cells(), "rate_id,unit_amount\n7,0.10\n");
        let catalog = rates.catalog();
        assert!(catalog.contains("filter      = { rate = [\"0.10\"] }"), "{catalog}");
        assert!(catalog.contains("filter      = { usage_type = [\"SpotUsage:x\"] }"), "{catalog}");
        assert!(!catalog.contains('@'), "a mark is left: {catalog}");
    }

    #[test]
    fn a_list_that_contradicts_itself_is_refused() {
        for (lines, expected) in [
            ("a,b,7,0.1,c\r\na,b,7,0.2,c\r\n", "record 2: rate id 7 has two rates: 0.1 and 0.2"),
            ("a,b,7,0.1,c\na,b,7,,c\n", "record 2: rate id 7 has a rate and has none"),
            (
                "a,b\n",
                "CSV error: record 1 (line: 2, byte: 59): found record with 2 fields, but the previous record has 5 fields",
            ),
        ] {
            let error = Rates::read(format!("{HEADER}{lines}").as_bytes()).unwrap_err();
            assert_eq!(format!("{error:#}"), expected);
        }
        assert_eq!(format!("{:#}", Rates::read(b"a,b\n").unwrap_err()), "no column `rate_id`");
    }

    #[test]
    fn the_real_list_becomes_a_catalog() {
        let Some(data) = workspace::data_dir(&workspace::root().unwrap()) else {
            eprintln!("*** SKIPPED: {} ***", workspace::NO_DATA);
            return;
        };
        let out = tempfile::tempdir().unwrap();
        let written = write(&data.join("aws_cur/rates.csv"), out.path()).unwrap();
        assert_eq!(written, Written { cells: 508, without_rate: 14 });
        let cells = std::fs::read_to_string(out.path().join(CELLS_FILE)).unwrap();
        assert_eq!(cells.lines().count(), 509);

        let text = std::fs::read_to_string(out.path().join("catalog.toml")).unwrap();
        let (catalog, problems) = weir_model::catalog::load("catalog.toml", &text, &Beside(out.path())).unwrap();
        // An unknown rate id must show up as unpriced, and what a reservation covers costs nothing.
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["prices.by_rate", "prices.nothing"], "{problems:?}");
        let price = &*catalog.charges[0].versions[0].price;
        let Price::Matrix(matrix) = price else { panic!("the usage charge has a {} price", price.model()) };
        assert_eq!((matrix.entries().len(), matrix.otherwise()), (508, None));
        assert_eq!(catalog.charges[0].round, Some(EventRounding { scale: 10, mode: RoundingMode::HalfAway }));
        let subjects: Vec<&str> =
            catalog.customers.iter().flat_map(|c| c.subjects.iter().map(String::as_str)).collect();
        assert_eq!(subjects, ["836060457634", "011254002932"]);
    }
}

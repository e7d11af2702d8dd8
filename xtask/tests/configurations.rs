//! Every catalog and mapping in config/ loads without a problem: what the project shows, it also runs.

use std::io;
use std::path::{Path, PathBuf};

use weir_model::catalog::{self, Catalog, CatalogFiles};
use weir_model::mapping;

struct Beside(PathBuf);

impl CatalogFiles for Beside {
    fn read(&self, path: &str) -> io::Result<String> {
        std::fs::read_to_string(self.0.join(path))
    }
}

fn config(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(folder)
}

/// What looks like a mistake in our catalogs and is meant, as (file, key).
const MEANT: [(&str, &str); 5] = [
    // A model that the list does not know must show up as lost revenue, not at somebody's default.
    ("ai-api.toml", "prices.input_tokens"),
    ("ai-api.toml", "prices.output_tokens"),
    // A volume discount is a cliff.
    ("ai-api.toml", "prices.images"),
    // Embeddings are free to enterprises.
    ("ai-api.toml", "plans.enterprise.charges[2].price"),
    // A destination that nobody has priced must show up as lost revenue.
    ("telephone.toml", "prices.calls"),
];

fn load(name: &str) -> Catalog {
    let folder = config("catalogs");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let (catalog, problems) =
        catalog::load(name, &text, &Beside(folder)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    let meant: Vec<&str> = MEANT.iter().filter(|(file, _)| *file == name).map(|(_, key)| *key).collect();
    assert_eq!(keys, meant, "{name}: {problems:?}");
    catalog
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(config(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    assert!(!files.is_empty(), "config/{folder} is empty");
    files
}

#[test]
fn every_catalog_loads() {
    for file in files("catalogs") {
        load(file.file_name().unwrap().to_str().unwrap());
    }
}

#[test]
fn every_mapping_loads() {
    for file in files("mappings") {
        let name = file.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let mapping = mapping::load(name, &text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(mapping.events.len(), 1, "{name}");
    }
}

#[test]
fn the_price_list_of_the_demo() {
    let catalog = load("ai-api.toml");
    let customer = |id: &str| catalog.customers.iter().find(|customer| customer.id == id).unwrap();
    assert_eq!(catalog.customers.len(), 12);
    assert_eq!(customer("hexagon").subjects, ["hexagon-prod", "hexagon-staging", "hexagon-ci"]);
    assert_eq!(customer("librairie-lumiere").locale.as_deref(), Some("fr"));
    assert_eq!(customer("meridian-bank").starts_on, Some(jiff::civil::date(2026, 7, 14)));
    assert_eq!(customer("northwind-research").account, customer("northwind-support").account);
    assert_eq!(catalog.plans.len(), 3);
    assert!(catalog.default_plan.is_some());
    // Every price model of the first version is sold.
    let mut models: Vec<&str> = catalog.charges.iter().map(|charge| charge.versions[0].price.model()).collect();
    models.sort_unstable();
    models.dedup();
    assert_eq!(models, ["dynamic", "graduated", "matrix", "package", "unit", "volume"]);
}

#[test]
fn a_request_is_two_usages() {
    let catalog = load("servegen.toml");
    assert_eq!(catalog.event_types.len(), 1);
    assert_eq!(catalog.event_types[0].meters.len(), 2);
    assert!(catalog.default_plan.is_some());
}

#[test]
fn a_call_has_a_price_by_destination_and_time() {
    let catalog = load("telephone.toml");
    assert_eq!((catalog.plans.len(), catalog.customers.len(), catalog.charges.len()), (2, 2, 3));
    let price = &catalog.charges[0].versions[0].price;
    // Day, night and weekend of two destinations, and one price of the third.
    assert_eq!((price.model(), price.has_schedule(), price.cells()), ("matrix", true, 7));
    let models: Vec<&str> = price.leaves().iter().map(|leaf| leaf.model()).collect();
    assert_eq!(models, ["increments"; 7]);
    assert_eq!(catalog.plans[1].fees.len(), 1);
    assert!(catalog.charges[1].allowance.is_some());
}

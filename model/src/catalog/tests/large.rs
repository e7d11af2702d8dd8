//! Large catalogs.

use super::*;

/// `model,unit_amount` of so many cells, one to a line.
fn cells(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

#[test]
fn large_catalogs_load() {
    const CELLS: usize = 200_000;
    const PRICES: usize = 5_000;
    let mut text = ACME.to_owned();
    text.push_str("[prices.big]\nmodel = \"matrix\"\notherwise = { model = \"unit\", unit_amount = 1 }\ncells = [\n");
    text.push_str(&cells(CELLS, |i| {
        format!("{{ when = {{ model = \"m{i}\" }}, price = {{ model = \"unit\", unit_amount = \"1.{i:06}\" }} }},\n")
    }));
    text.push_str("]\n");
    for i in 0..PRICES {
        text.push_str(&format!("[prices.p{i}]\nmodel = \"graduated\"\n"));
        text.push_str("tiers = [{ up_to = 100, unit_amount = \"0.2\" }, { unit_amount = \"0.1\" }]\n");
        text.push_str("[[plans.free.charges]]\n");
        text.push_str(&format!(
            "name = \"c{i}\"\nmeter = \"calls\"\nprice = \"p{i}\"\nfilter = {{ route = [\"r{i}\"] }}\n"
        ));
    }
    // Five thousand charges share the large price as well: it is brought to its meter's scale once.
    for i in 0..PRICES {
        text.push_str("[[plans.free.charges]]\n");
        text.push_str(&format!(
            "name = \"b{i}\"\nmeter = \"big\"\nprice = \"big\"\nfilter = {{ route = [\"r{i}\"] }}\n"
        ));
    }
    let text =
        text.replacen("aggregation = \"count\"", "aggregation = \"count\"\ndimensions = { route = \"data.route\" }", 1);
    let text = text.replacen("name = \"calls\"\n", "name = \"calls\"\nfilter = { route = [\"none\"] }\n", 1);
    let text = text.replacen(
        "[meters.models]",
        "[meters.big]\nevent_type = \"big\"\naggregation = \"count\"\ndimensions = { model = \"data.model\", route = \"data.route\" }\n[meters.models]",
        1,
    );
    let (catalog, warnings) = load("catalog.toml", &text, &NoFiles).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(catalog.charges.iter().filter(|charge| charge.plan == PlanIdx(1)).count(), 2 * PRICES + 2);
    let big: Vec<_> = catalog.charges.iter().filter(|charge| charge.price_name.as_deref() == Some("big")).collect();
    assert!(big.iter().all(|charge| Arc::ptr_eq(&charge.versions[0].price, &big[0].versions[0].price)));
    assert_eq!(big[0].versions[0].price.cells(), 200_001);
}

#[test]
fn large_files_of_cells_load() {
    const CELLS: usize = 200_000;
    let price =
        "price = { model = \"matrix\", cells_file = \"c.csv\", otherwise = { model = \"unit\", unit_amount = 1 } }";
    let text = ACME.replacen("price = \"cells\"", price, 1).replacen("[prices.cells]\n", "[prices.unused]\n", 1);
    let csv = format!("model,unit_amount\n{}", cells(CELLS, |i| format!("m{i},1.{i:06}\n")));
    let (catalog, warnings) = load("catalog.toml", &text, &Files([("c.csv", csv)].into())).unwrap();
    assert_eq!(catalog.charges[3].versions[0].price.cells(), 200_001);
    // Only what no charge uses any more.
    assert_eq!(warnings.iter().map(|warning| warning.key.as_str()).collect::<Vec<_>>(), ["prices.unused"]);
}

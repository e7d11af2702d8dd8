//! Cells of a matrix in a file of their own.

use expect_test::expect;

use super::*;

#[test]
fn cells_may_stand_in_a_file() {
    let catalog = |csv: &str| {
        let text = ACME.replacen("price = \"cells\"", "price = { model = \"matrix\", cells_file = \"cells.csv\" }", 1);
        let text = text.replacen("[prices.cells]", "[prices.tokens2]", 1);
        load("catalog.toml", &text, &Files([("cells.csv", csv.to_owned())].into()))
    };
    let (loaded, _) =
        catalog("\u{feff}model,region,unit_amount,per,multiplier\nlarge,eu,0.5,1000,\nsmall,us,,,1\n").unwrap();
    let Price::Matrix(matrix) = &*loaded.charges[3].versions[0].price else { panic!("matrix") };
    assert_eq!(matrix.entries().iter().map(|cell| cell.price.model()).collect::<Vec<_>>(), ["unit", "dynamic"]);
    let (other, _) = catalog("region,model,size,amount,partial\neu,large,100,5,prorate\n").unwrap();
    assert_ne!(loaded.hash, other.hash);
    let (loaded, _) = catalog(
        "model,region,rate,fixed,min,max,free_events,free_amount\nlarge,eu,0.029,0.3,1,2,3,40\nsmall,us,0.01,,,,,\n",
    )
    .unwrap();
    let Price::Matrix(matrix) = &*loaded.charges[3].versions[0].price else { panic!("matrix") };
    let Price::Percentage(price) = &matrix.entries()[0].price else { panic!("percentage") };
    let amounts = [Some(price.fixed), price.min, price.max].map(|amount| amount.unwrap().to_string());
    assert_eq!((price.rate.to_string().as_str(), amounts), ("0.029", ["0.3", "1", "2"].map(str::to_owned)));
    assert_eq!((price.free_events, price.free_amount), (Some(3), Some(Quantity::from_scaled(40))));
    for (csv, expected) in [
        (
            "region,model,rate,min,max,free_events\neu,large,0.1,2,1,\neu,small,0.1,,,0\nus,large,,1,,\n",
            expect![[r#"
                cells.csv:2: max: is below `min`, which is 2; an event cannot pay more than its `max`
                cells.csv:3: free_events: must be from 1 to 4294967295, not "0"
                cells.csv:4: fills min, which is not one price; fill unit_amount (and per), or multiplier, or size and amount, or rate (and others of a percentage)"#]],
        ),
        (
            "region,model,unit_amount\neu,large,1\neu,large,2\n",
            expect!["cells.csv:3: the combination (eu, large) stands here twice; keep one of the cells"],
        ),
        (
            "region,colour,unit_amount\neu,large,1\n",
            expect![[r#"cells.csv:1: colour: the meter has no dimension "colour"; use one of model, region"#]],
        ),
        (
            "region,model,unit_amont\neu,large,1\n",
            expect![[r#"cells.csv:1: the last column, "unit_amont", is no price's; did you mean "unit_amount"?"#]],
        ),
        ("unit_amount\n1\n", expect!["cells.csv:1: has no column for a dimension; put the dimensions first"]),
        (
            "region,region,unit_amount\neu,eu,1\n",
            expect![[r#"cells.csv:1: column "region" stands here twice; name each column once"#]],
        ),
        (
            "region,model,unit_amount,per\neu,large,x,0\neu,small,1,0.5\nus,large,1\n",
            expect![[r#"
            cells.csv:2: per: must be above 0, not 0
            cells.csv:2: unit_amount: "x" is not a decimal number
            cells.csv:4: has 3 fields where the header has 4"#]],
        ),
        (
            "region,model,unit_amount,multiplier\neu,large,1,1\neu,small,,\n",
            expect![[r#"
                cells.csv:2: fills unit_amount and multiplier, which is not one price; fill unit_amount (and per), or multiplier, or size and amount, or rate (and others of a percentage)
                cells.csv:3: has no price; fill unit_amount (and per), or multiplier, or size and amount, or rate (and others of a percentage)"#]],
        ),
        (
            "region,model,unit_amount\n",
            expect![[
                r#"catalog.toml:63: plans.free.charges[0].price.cells_file: "cells.csv" has no cell; add a row below its header line"#
            ]],
        ),
    ] {
        expected.assert_eq(&catalog(csv).expect_err(csv).to_string());
    }
}

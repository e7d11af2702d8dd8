//! Writes sample documents to a directory, to be looked at: `cargo run -p weir-invoicer --example samples -- DIR`.

#[path = "../tests/documents/fixture.rs"]
#[allow(dead_code)]
mod fixture;

use std::path::PathBuf;

use weir_invoicer::{Biller, Numbering, Remember, to_html, to_json, to_text};

fn main() -> std::io::Result<()> {
    let directory = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "samples".into()));
    std::fs::create_dir_all(&directory)?;
    let samples = [
        ("english", fixture::rich("USD", "en")),
        ("french", fixture::rich("EUR", "fr")),
        ("partial", fixture::rich_from("EUR", "fr", fixture::at("2026-09-13T22:00:00Z"))),
        ("long", fixture::long(60)),
    ];
    for (name, (catalog, totals)) in samples {
        let mut biller = Biller::new(&catalog, Numbering::new("INV-2026-"));
        let mut closing = biller.close(totals.period.end, Remember::Nothing);
        let document = closing.bill(&totals).map_err(std::io::Error::other)?;
        closing.finish().map_err(std::io::Error::other)?;
        let Some(document) = document else { continue };
        let invoice = document.write().map_err(std::io::Error::other)?;
        std::fs::write(directory.join(name).with_extension("html"), to_html(&invoice))?;
        std::fs::write(directory.join(name).with_extension("txt"), to_text(&invoice))?;
        std::fs::write(directory.join(name).with_extension("json"), to_json(&invoice))?;
    }
    Ok(())
}

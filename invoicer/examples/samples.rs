//! Writes sample documents to a directory, to be looked at: `cargo run -p weir-invoicer --example samples -- DIR`.

#[path = "../tests/documents/fixture.rs"]
#[allow(dead_code)]
mod fixture;

use std::path::PathBuf;

use weir_invoicer::{Numbering, build, to_html, to_json, to_text};

fn main() -> std::io::Result<()> {
    let directory = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "samples".into()));
    std::fs::create_dir_all(&directory)?;
    let mut numbering = Numbering::new("INV-2026-");
    let (catalog, mut partial) = fixture::rich("EUR", "fr");
    partial.active.start = fixture::at("2026-09-13T22:00:00Z");
    let samples = [
        ("english", fixture::rich("USD", "en")),
        ("french", fixture::rich("EUR", "fr")),
        ("partial", (catalog, partial)),
        ("long", fixture::long(60)),
    ];
    for (name, (catalog, totals)) in samples {
        let invoice = build(&catalog, &totals, Some(numbering.take())).map_err(std::io::Error::other)?;
        std::fs::write(directory.join(name).with_extension("html"), to_html(&invoice))?;
        std::fs::write(directory.join(name).with_extension("txt"), to_text(&invoice))?;
        std::fs::write(directory.join(name).with_extension("json"), to_json(&invoice))?;
    }
    Ok(())
}

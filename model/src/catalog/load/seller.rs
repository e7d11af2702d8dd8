//! `[seller]`: who stands on every document.

use super::super::Seller;
use super::super::toml_reader::{Item, Table};
use super::optional;

/// Languages of documents.
pub(super) const LOCALES: [(&str, &str); 2] = [("en", "en"), ("fr", "fr")];
/// Days until payment is due, unless the seller says otherwise.
const PAYMENT_DAYS: u16 = 30;

/// Reads `[seller]`.
pub(super) fn read(item: &Item<'_>) -> Option<Seller> {
    let mut table = item.table()?;
    let name = table.required("name", "\"Acme AI SAS\"").and_then(|item| item.text());
    let address = read_address(&mut table);
    let tax_id = optional_text(&mut table, "tax_id");
    let payment_days = optional(&mut table, "payment_terms", |item| {
        item.parsed("a number of days, at most 3650", "write for example \"30 days\"", payment_days)
    });
    let locale = table.optional("locale").map_or(Some("en"), |item| item.choice(&LOCALES));
    let legal_mentions = table.optional("legal_mentions").map_or(Some(Vec::new()), |item| item.texts("[\"...\"]"));
    let invoice_prefix = optional_text(&mut table, "invoice_prefix");
    table.finish();
    Some(Seller {
        name: name?.to_owned(),
        address: address?,
        tax_id: tax_id?,
        payment_days: payment_days?.unwrap_or(PAYMENT_DAYS),
        locale: locale?.to_owned(),
        legal_mentions: legal_mentions?,
        invoice_prefix: invoice_prefix?.unwrap_or_else(|| "INV-".to_owned()),
    })
}

/// The lines of a postal address; none if it is absent.
pub(super) fn read_address(table: &mut Table<'_>) -> Option<Vec<String>> {
    let example = "[\"1 Main Street\", \"Springfield\"]";
    table.optional("address").map_or(Some(Vec::new()), |item| item.texts(example))
}

/// A text that may be absent.
pub(super) fn optional_text(table: &mut Table<'_>, name: &'static str) -> Option<Option<String>> {
    optional(table, name, |item| item.text().map(str::to_owned))
}

/// `30 days`, `1 day`.
fn payment_days(text: &str) -> Option<u16> {
    let (count, unit) = text.split_once(' ')?;
    let digits = count.bytes().all(|byte| byte.is_ascii_digit());
    let count: u16 = count.parse().ok()?;
    (digits && count <= 3650 && (unit == "days" || unit == "day")).then_some(count)
}

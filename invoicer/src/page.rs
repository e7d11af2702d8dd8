//! A document as people read it: every figure formatted, every word in the document's language. Text and HTML only lay it
//! out, so they cannot say different things.
//!
//! Owns: what is shown and what is folded away; the lines are `rows`. Does not own: layout, escaping. Changes no figure.

mod rows;

use jiff::tz::TimeZone;

use crate::invoice::{DocumentKind, Invoice, Item, ServicePeriod};
use crate::locale::{Locale, Phrases};
use weir_model::currency::Currency;

/// Between two things said in one line.
const DOT: &str = " · ";

/// A document, ready to be laid out.
pub(crate) struct Page {
    pub language: &'static str,
    pub title: &'static str,
    pub phrases: &'static Phrases,
    pub number: String,
    pub seller: Block,
    pub customer: Block,
    /// Label and value of the dates and names that a document has at its head.
    pub facts: Vec<(&'static str, String)>,
    pub sections: Vec<Section>,
    pub subtotal: String,
    pub total_label: &'static str,
    pub total: String,
    pub mentions: Vec<String>,
}

/// A name with the lines below it.
#[derive(Default)]
pub(crate) struct Block {
    pub name: String,
    pub lines: Vec<String>,
}

/// Lines under a heading.
pub(crate) struct Section {
    pub heading: &'static str,
    pub rows: Vec<Row>,
}

/// One line of the document.
#[derive(Default)]
pub(crate) struct Row {
    pub name: String,
    /// What tells it apart: its group, its plan, why it is pro-rated.
    pub notes: Vec<String>,
    pub quantity: String,
    pub unit_amount: String,
    pub amount: String,
    pub details: Vec<DetailRow>,
    /// Meter, events and digest; only of usage.
    pub proof: String,
}

/// One detail below a line.
#[derive(Default)]
pub(crate) struct DetailRow {
    pub name: String,
    pub quantity: String,
    pub unit_amount: String,
    pub amount: String,
}

impl Page {
    pub(crate) fn new(invoice: &Invoice) -> Page {
        let phrases = invoice.locale.phrases();
        let writer = Writer {
            invoice,
            locale: invoice.locale,
            phrases,
            currency: invoice.currency,
            zone: TimeZone::get(&invoice.time_zone).unwrap_or(TimeZone::UTC),
        };
        let (title, total_label) = match invoice.kind {
            DocumentKind::Invoice => (phrases.invoice, phrases.total_due),
            DocumentKind::DebitNote => (phrases.debit_note, phrases.total_due),
            DocumentKind::CreditNote => (phrases.credit_note, phrases.total_credited),
        };
        Page {
            language: invoice.locale.tag(),
            title,
            phrases,
            number: invoice.number.as_ref().map_or_else(|| phrases.draft.to_owned(), ToString::to_string),
            seller: writer.seller(),
            customer: writer.customer(),
            facts: writer.facts(),
            sections: writer.sections(),
            subtotal: invoice.locale.money(invoice.subtotal),
            total_label,
            total: invoice.locale.money(invoice.total),
            mentions: invoice.seller.as_ref().map(|seller| seller.legal_mentions.clone()).unwrap_or_default(),
        }
    }
}

struct Writer<'a> {
    invoice: &'a Invoice,
    locale: Locale,
    phrases: &'static Phrases,
    currency: Currency,
    zone: TimeZone,
}

impl Writer<'_> {
    fn seller(&self) -> Block {
        let Some(seller) = &self.invoice.seller else { return Block::default() };
        Block { name: seller.name.clone(), lines: self.address(&seller.address, seller.tax_id.as_deref()) }
    }

    fn customer(&self) -> Block {
        let customer = &self.invoice.customer;
        let mut lines = self.address(&customer.address, customer.tax_id.as_deref());
        if customer.name != customer.id {
            lines.push(format!("{} {}", self.phrases.customer_id, customer.id));
        }
        if customer.account != customer.id {
            lines.push(format!("{} {}", self.phrases.account, customer.account));
        }
        Block { name: customer.name.clone(), lines }
    }

    fn address(&self, address: &[String], tax_id: Option<&str>) -> Vec<String> {
        let tax_id = tax_id.map(|id| format!("{} {id}", self.phrases.tax_id));
        address.iter().cloned().chain(tax_id).collect()
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let (invoice, phrases) = (self.invoice, self.phrases);
        let mut facts = vec![(phrases.issued_on, self.locale.date(invoice.issued_on))];
        if invoice.kind != DocumentKind::CreditNote {
            facts.push((phrases.due_on, self.locale.date(invoice.due_on)));
        }
        facts.push((phrases.period, self.dates(&invoice.period)));
        match invoice.segments.as_slice() {
            [only] => {
                if only.active != invoice.period {
                    facts.push((phrases.active, self.dates(&only.active)));
                }
                facts.push((phrases.plan, only.plan.clone()));
            }
            several => {
                let plan = |plan: &crate::invoice::Stretch| [plan.plan.clone(), self.dates(&plan.active)].join(DOT);
                facts.extend(several.iter().map(|segment| (phrases.plan, plan(segment))));
            }
        }
        facts.push((phrases.currency, invoice.currency.code().to_owned()));
        facts.push((phrases.time_zone, invoice.time_zone.clone()));
        facts
    }

    fn dates(&self, period: &ServicePeriod) -> String {
        format!("{} – {}", self.locale.date(period.first_on), self.locale.date(period.last_on))
    }

    fn sections(&self) -> Vec<Section> {
        let mut fees = Section { heading: self.phrases.fees, rows: Vec::new() };
        let mut usage = Section { heading: self.phrases.usage, rows: Vec::new() };
        let mut late = Section { heading: self.phrases.earlier_periods, rows: Vec::new() };
        for line in &self.invoice.lines {
            let section = match (&line.late, &line.item) {
                (Some(_), _) => &mut late,
                (None, Item::Fee(_)) => &mut fees,
                (None, _) => &mut usage,
            };
            section.rows.push(self.row(line));
        }
        [fees, usage, late].into_iter().filter(|section| !section.rows.is_empty()).collect()
    }
}

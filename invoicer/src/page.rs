//! A document as people read it: every figure formatted, every word in the document's language. Text and HTML only lay it
//! out, so they cannot say different things.
//!
//! Owns: what is shown and what is folded away. Does not own: layout, escaping. Changes no figure.

use crate::invoice::{Detail, DetailKind, Dimension, DocumentKind, FeeLine, Invoice, Line, ServicePeriod, UsageLine};
use crate::locale::{Locale, Phrases, fill};
use weir_model::currency::Currency;
use weir_model::price::LineKind;

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
pub(crate) struct Row {
    pub name: String,
    /// What tells it apart: its group, why it is pro-rated.
    pub notes: Vec<String>,
    pub quantity: String,
    pub unit_amount: String,
    pub amount: String,
    pub details: Vec<DetailRow>,
    /// Meter, events and digest; empty for fees.
    pub proof: String,
}

/// One detail below a line.
pub(crate) struct DetailRow {
    pub name: String,
    pub quantity: String,
    pub unit_amount: String,
    pub amount: String,
}

impl Page {
    pub(crate) fn new(invoice: &Invoice) -> Page {
        let phrases = invoice.locale.phrases();
        let writer = Writer { locale: invoice.locale, phrases, currency: invoice.currency };
        let (title, total_label) = match invoice.kind {
            DocumentKind::Invoice => (phrases.invoice, phrases.total_due),
            DocumentKind::CreditNote => (phrases.credit_note, phrases.total_credited),
        };
        Page {
            language: invoice.locale.tag(),
            title,
            phrases,
            number: invoice.number.as_ref().map_or_else(|| phrases.draft.to_owned(), ToString::to_string),
            seller: writer.seller(invoice),
            customer: writer.customer(invoice),
            facts: writer.facts(invoice),
            sections: writer.sections(invoice),
            subtotal: invoice.locale.money(invoice.subtotal),
            total_label,
            total: invoice.locale.money(invoice.total),
            mentions: invoice.seller.as_ref().map(|seller| seller.legal_mentions.clone()).unwrap_or_default(),
        }
    }
}

struct Writer {
    locale: Locale,
    phrases: &'static Phrases,
    currency: Currency,
}

impl Writer {
    fn seller(&self, invoice: &Invoice) -> Block {
        let Some(seller) = &invoice.seller else { return Block::default() };
        Block { name: seller.name.clone(), lines: self.address(&seller.address, seller.tax_id.as_deref()) }
    }

    fn customer(&self, invoice: &Invoice) -> Block {
        let customer = &invoice.customer;
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

    fn facts(&self, invoice: &Invoice) -> Vec<(&'static str, String)> {
        let phrases = self.phrases;
        let mut facts = vec![(phrases.issued_on, self.locale.date(invoice.issued_on))];
        if invoice.kind == DocumentKind::Invoice {
            facts.push((phrases.due_on, self.locale.date(invoice.due_on)));
        }
        facts.push((phrases.period, self.dates(&invoice.period)));
        if let Some(active) = &invoice.active {
            facts.push((phrases.active, self.dates(active)));
        }
        facts.push((phrases.plan, invoice.plan.clone()));
        facts.push((phrases.currency, invoice.currency.code().to_owned()));
        facts.push((phrases.time_zone, invoice.time_zone.clone()));
        facts
    }

    fn dates(&self, period: &ServicePeriod) -> String {
        format!("{} – {}", self.locale.date(period.first_on), self.locale.date(period.last_on))
    }

    fn sections(&self, invoice: &Invoice) -> Vec<Section> {
        let mut fees = Section { heading: self.phrases.fees, rows: Vec::new() };
        let mut usage = Section { heading: self.phrases.usage, rows: Vec::new() };
        for line in &invoice.lines {
            match line {
                Line::Fee(fee) => fees.rows.push(self.fee(fee, invoice.active.is_some())),
                Line::Usage(line) => usage.rows.push(self.usage(line)),
            }
        }
        [fees, usage].into_iter().filter(|section| !section.rows.is_empty()).collect()
    }

    fn fee(&self, fee: &FeeLine, partial: bool) -> Row {
        let whole = self.locale.amount(fee.period_amount, self.currency);
        Row {
            name: fee.name.clone(),
            notes: partial.then(|| fill(self.phrases.prorated, &[&whole])).into_iter().collect(),
            quantity: String::new(),
            unit_amount: String::new(),
            amount: self.locale.money(fee.amount),
            details: Vec::new(),
            proof: String::new(),
        }
    }

    fn usage(&self, line: &UsageLine) -> Row {
        let group: Vec<String> = line.group.iter().map(|dimension| self.dimension(dimension)).collect();
        let mut notes = Vec::from_iter((!group.is_empty()).then(|| group.join(DOT)));
        let mut details: Vec<DetailRow> = line.details.iter().map(|detail| self.detail(detail)).collect();
        let mut unit_amount = String::new();
        // A single part of the line's own quantity says nothing that the line itself cannot say. Blocks have another.
        let same = line.details.iter().all(|detail| detail.quantity == line.quantity);
        if let ([only], true) = (details.as_mut_slice(), same) {
            unit_amount = std::mem::take(&mut only.unit_amount);
            notes.extend(Some(std::mem::take(&mut only.name)).filter(|name| !name.is_empty()));
            details.clear();
        }
        let count = self.locale.number(&line.events.to_string());
        let events = if line.events == 1 { self.phrases.event } else { self.phrases.events };
        let proof = [
            fill(self.phrases.meter, &[&line.meter]),
            fill(events, &[&count]),
            fill(self.phrases.digest, &[&line.digest.to_string()]),
        ];
        Row {
            name: line.charge.clone(),
            notes,
            quantity: line.quantity.as_deref().map(|quantity| self.locale.number(quantity)).unwrap_or_default(),
            unit_amount,
            amount: self.locale.money(line.amount),
            details,
            proof: proof.join(DOT),
        }
    }

    /// `model = gpt-4`.
    fn dimension(&self, dimension: &Dimension) -> String {
        let value = if dimension.value.is_empty() { self.phrases.no_value } else { &dimension.value };
        format!("{} = {value}", dimension.dimension)
    }

    fn detail(&self, detail: &Detail) -> DetailRow {
        let quantity = detail.quantity.as_deref().map(|quantity| self.locale.number(quantity));
        DetailRow {
            name: self.detail_name(detail),
            quantity: quantity.unwrap_or_default(),
            unit_amount: self.unit_amount(detail),
            amount: self.locale.money(detail.amount),
        }
    }

    /// The cell, the tier, and what else is not plain quantity x unit amount.
    fn detail_name(&self, detail: &Detail) -> String {
        let mut parts: Vec<String> = Vec::new();
        for cell in &detail.cell {
            parts.push(format!("{} = {}", cell.dimension, cell.value.as_deref().unwrap_or(self.phrases.other_values)));
        }
        parts.extend(self.tier(detail));
        let kind = match detail.kind {
            DetailKind::Allowance => Some(self.phrases.allowance),
            DetailKind::Proration => Some(self.phrases.proration),
            DetailKind::Price(LineKind::Flat) => Some(self.phrases.flat_amount),
            DetailKind::Price(LineKind::Blocks) => Some(self.phrases.blocks),
            DetailKind::Price(LineKind::Events) if detail.unit_amount.is_none() => Some(self.phrases.event_amounts),
            DetailKind::Price(_) => None,
        };
        parts.extend(kind.map(str::to_owned));
        parts.join(DOT)
    }

    /// `Tier 2 · above 1,000, up to 5,000`.
    fn tier(&self, detail: &Detail) -> Option<String> {
        let tier = detail.tier.as_ref()?;
        let phrases = self.phrases;
        let name = fill(phrases.tier, &[&tier.number.to_string()]);
        if detail.kind == DetailKind::Price(LineKind::Flat) {
            return Some(name);
        }
        let above = self.locale.number(&tier.above);
        let range = match &tier.up_to {
            // A price with one open tier has no bounds to tell.
            None if tier.number == 1 => return Some(name),
            None => fill(phrases.tier_above, &[&above]),
            Some(up_to) if tier.number == 1 => fill(phrases.tier_up_to, &[&self.locale.number(up_to)]),
            Some(up_to) => fill(phrases.tier_between, &[&above, &self.locale.number(up_to)]),
        };
        Some([name, range].join(DOT))
    }

    fn unit_amount(&self, detail: &Detail) -> String {
        let Some(unit_amount) = detail.unit_amount else { return String::new() };
        let unit_amount = self.locale.unit_amount(unit_amount, self.currency);
        match detail.per.as_deref() {
            None | Some("1") => unit_amount,
            Some(per) => fill(self.phrases.per, &[&unit_amount, &self.locale.number(per)]),
        }
    }
}

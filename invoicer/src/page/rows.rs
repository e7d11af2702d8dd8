//! The lines of a document as rows.

use weir_model::price::LineKind;

use super::{DOT, DetailRow, Row, Writer};
use crate::invoice::{
    Bound, CellChoice, Detail, DetailKind, Dimension, Discount, Fee, Item, Late, Line, Stretch, TierRange, Usage,
};
use crate::locale::fill;

impl Writer<'_> {
    pub(super) fn row(&self, line: &Line) -> Row {
        let mut row = match &line.item {
            Item::Fee(fee) => self.fee(fee, self.is_partial(line)),
            Item::Usage(usage) => self.usage(usage),
            Item::Discount(discount) => self.discount(discount),
            Item::Maximum(bound) => self.bound(bound, self.phrases.maximum, self.phrases.at_most),
            Item::Minimum(bound) => self.bound(bound, self.phrases.minimum, self.phrases.at_least),
        };
        row.amount = self.locale.money(line.amount);
        match &line.late {
            Some(late) => self.tell_late(&mut row, late),
            None => {
                row.notes.extend(self.segment(line).map(|segment| fill(self.phrases.on_plan, &[&segment.plan])));
                fold(&mut row, &line.item);
            }
        }
        for detail in row.details.iter_mut().filter(|detail| detail.name.is_empty()) {
            self.phrases.usage.clone_into(&mut detail.name);
        }
        row
    }

    /// The line's segment, on documents that have several.
    fn segment(&self, line: &Line) -> Option<&Stretch> {
        let position = usize::try_from(line.segment?).ok()?.checked_sub(1)?;
        self.invoice.segments.get(position).filter(|_| self.invoice.segments.len() > 1)
    }

    fn is_partial(&self, line: &Line) -> bool {
        if let Some(late) = &line.late {
            return late.segment.active != late.period;
        }
        let position = line.segment.and_then(|segment| usize::try_from(segment).ok()?.checked_sub(1));
        let segment = position.and_then(|position| self.invoice.segments.get(position));
        segment.is_some_and(|segment| segment.active != self.invoice.period)
    }

    /// Whose period it is, and how what is owed and what was billed make the line's amount.
    fn tell_late(&self, row: &mut Row, late: &Late) {
        let mut of = vec![self.dates(&late.period), fill(self.phrases.on_plan, &[&late.segment.plan])];
        of.extend(late.corrects.as_ref().map(|number| fill(self.phrases.corrects, &[number])));
        row.notes.push(of.join(DOT));
        let detail = |name: &str, amount| DetailRow { name: name.to_owned(), amount, ..DetailRow::default() };
        row.details.push(detail(self.phrases.owed, self.locale.money(late.owed)));
        row.details.push(detail(self.phrases.billed, self.locale.money(late.billed)));
    }

    fn fee(&self, fee: &Fee, partial: bool) -> Row {
        let whole = self.locale.amount(fee.period_amount, self.currency);
        let prorated = partial.then(|| fill(self.phrases.prorated, &[&whole]));
        Row { name: fee.name.clone(), notes: prorated.into_iter().collect(), ..Row::default() }
    }

    fn discount(&self, discount: &Discount) -> Row {
        let rate = self.locale.percent(discount.rate);
        let gross = self.locale.amount(discount.gross, self.currency);
        Row {
            name: [self.phrases.discount, &discount.charge].join(DOT),
            notes: vec![fill(self.phrases.part_of, &[&rate, &gross])],
            ..Row::default()
        }
    }

    fn bound(&self, bound: &Bound, name: &str, sentence: &str) -> Row {
        let (most, sum) = (self.locale.money(bound.bound), self.locale.money(bound.sum));
        let whole = self.locale.amount(bound.period_amount, self.currency);
        let partial = bound.exact_bound != bound.period_amount;
        let mut notes = vec![fill(sentence, &[&most, &sum])];
        notes.extend(partial.then(|| fill(self.phrases.prorated, &[&whole])));
        Row { name: [name, &bound.charge].join(DOT), notes, ..Row::default() }
    }

    fn usage(&self, usage: &Usage) -> Row {
        let group: Vec<String> = usage.group.iter().map(|dimension| self.dimension(dimension)).collect();
        let resource = |name: &str, quantity: &str| format!("{name} {}", self.locale.number(quantity));
        let resources: Vec<String> =
            usage.resources.iter().map(|used| resource(&used.resource, &used.quantity)).collect();
        let notes = [group, resources].into_iter().filter(|parts| !parts.is_empty()).map(|parts| parts.join(DOT));
        let count = self.locale.number(&usage.events.to_string());
        let events = if usage.events == 1 { self.phrases.event } else { self.phrases.events };
        let proof = [
            fill(self.phrases.meter, &[&usage.unit]),
            fill(events, &[&count]),
            fill(self.phrases.digest, &[&usage.digest.to_string()]),
        ];
        Row {
            name: usage.charge.clone(),
            notes: notes.collect(),
            quantity: usage.quantity.as_deref().map(|quantity| self.locale.number(quantity)).unwrap_or_default(),
            details: usage.details.iter().map(|detail| self.detail(detail)).collect(),
            proof: proof.join(DOT),
            ..Row::default()
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

    /// The cell, the version, the tier, and what else is not plain quantity x unit amount.
    fn detail_name(&self, detail: &Detail) -> String {
        let phrases = self.phrases;
        let mut parts: Vec<String> = detail.cell.iter().map(|choice| self.choice(choice)).collect();
        let version = detail.version.map(|version| self.locale.instant(version.effective_at, &self.zone));
        parts.extend(version.map(|since| fill(phrases.price_since, &[&since])));
        parts.extend(detail.tier.as_ref().map(|tier| self.tier(detail.kind, tier)));
        let kind = match detail.kind {
            DetailKind::Conversion => Some(phrases.conversion),
            DetailKind::Allowance => Some(phrases.allowance),
            DetailKind::Proration => Some(phrases.proration),
            DetailKind::Price(LineKind::Flat) => Some(phrases.flat_amount),
            DetailKind::Price(LineKind::Blocks) => Some(phrases.blocks),
            DetailKind::Price(LineKind::Events) if detail.multiplier.is_some() => Some(phrases.event_amounts),
            DetailKind::Price(LineKind::Events) if detail.unit_amount.is_none() => Some(phrases.event_by_event),
            DetailKind::Price(_) | DetailKind::Pool => None,
        };
        parts.extend(kind.map(str::to_owned));
        parts.extend(detail.pool.as_ref().map(|pool| {
            let amount = self.locale.amount(pool.exact_amount, self.currency);
            fill(phrases.pool, &[&amount, &self.locale.number(&pool.quantity)])
        }));
        parts.join(DOT)
    }

    fn choice(&self, choice: &CellChoice) -> String {
        match choice {
            CellChoice::Dimension { dimension, value } => {
                format!("{dimension} = {}", value.as_deref().unwrap_or(self.phrases.other_values))
            }
            CellChoice::Window { window } => window.as_deref().unwrap_or(self.phrases.other_times).to_owned(),
        }
    }

    /// `Tier 2 · above 1,000, up to 5,000`.
    fn tier(&self, kind: DetailKind, tier: &TierRange) -> String {
        let phrases = self.phrases;
        let name = fill(phrases.tier, &[&tier.number.to_string()]);
        let up_to = |up_to: &str| fill(phrases.tier_up_to, &[&self.locale.number(up_to)]);
        if !tier.resources.is_empty() {
            let bounds = tier.resources.iter().map(|bound| format!("{} {}", bound.resource, up_to(&bound.up_to)));
            return std::iter::once(name).chain(bounds).collect::<Vec<_>>().join(DOT);
        }
        let Some(above) = tier.above.as_deref().filter(|_| kind != DetailKind::Price(LineKind::Flat)) else {
            return name;
        };
        let above = self.locale.number(above);
        let range = match &tier.up_to {
            // A price with one open tier has no bounds to tell.
            None if tier.number == 1 => return name,
            None => fill(phrases.tier_above, &[&above]),
            Some(last) if tier.number == 1 => up_to(last),
            Some(last) => fill(phrases.tier_between, &[&above, &self.locale.number(last)]),
        };
        [name, range].join(DOT)
    }

    /// A price per quantity, a rate, or a multiplier.
    fn unit_amount(&self, detail: &Detail) -> String {
        if let Some(rate) = detail.rate {
            return self.locale.percent(rate);
        }
        if let Some(multiplier) = detail.multiplier {
            return format!("× {}", self.locale.number(&multiplier.to_string()));
        }
        let Some(unit_amount) = detail.unit_amount else { return String::new() };
        let unit_amount = self.locale.unit_amount(unit_amount, self.currency);
        match detail.per.as_deref() {
            None | Some("1") => unit_amount,
            Some(per) => fill(self.phrases.per, &[&unit_amount, &self.locale.number(per)]),
        }
    }
}

/// A single part of the line's own quantity says nothing that the line itself cannot say. Blocks have another.
fn fold(row: &mut Row, item: &Item) {
    let Item::Usage(usage) = item else { return };
    let same = usage.details.iter().all(|detail| detail.quantity == usage.quantity);
    if let ([only], true) = (row.details.as_mut_slice(), same) {
        row.unit_amount = std::mem::take(&mut only.unit_amount);
        row.notes.extend(Some(std::mem::take(&mut only.name)).filter(|name| !name.is_empty()));
        row.details.clear();
    }
}

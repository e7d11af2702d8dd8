//! Documents over several closes (rating.md 7): first documents of the periods that a close seals, and for periods that an
//! earlier close sealed what has changed since, on the customer's next invoice or on a note of its own. Keeps L6, L8.
//!
//! Owns: which document a difference goes on, and numbering. Does not own: the differences (`billed`).
//!
//! ```text
//! let mut biller = Biller::new(&catalog, Numbering::new("INV-"));
//! for each close, in order:
//!     let mut closing = biller.close(through, Remember::Lines);      // Remember::Nothing for the last one
//!     for each period: closing.revisit(&period)?;                    // not needed at the first close
//!     for each period: if let Some(document) = closing.bill(&period)? { document.write()? }
//!     for note in closing.finish()? { .. }
//! ```
//!
//! Both visits are to go in the order of (period end, customer, period start): documents are numbered as they are billed,
//! and late lines go on the first document of their customer. Notes come after, in the same order of their periods.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_model::catalog::{Catalog, CustomerIdx, LatePolicy};
use weir_model::number::{Amount, Money};
use weir_model::rated::{CustomerPeriod, Seal, Segment};
use weir_model::time::Instant;

use crate::billed::{Billed, Changed, Difference, LineKey, Part, PeriodKey, Remember};
use crate::document::{Charged, Context, Entry, Modified};
use crate::error::InvoiceError;
use crate::invoice::{Invoice, Item, Late, Line};
use crate::numbering::{InvoiceNumber, Numbering};

/// Bills one close after the other.
#[derive(Debug)]
pub struct Biller<'c> {
    catalog: &'c Catalog,
    modified: Arc<Modified>,
    numbering: Numbering,
    billed: Billed,
    /// Whether the last close remembered what the next one would need.
    remembers: bool,
}

impl<'c> Biller<'c> {
    /// Nothing is billed yet.
    pub fn new(catalog: &'c Catalog, numbering: Numbering) -> Biller<'c> {
        Biller {
            catalog,
            modified: Arc::new(Modified::of_catalog(catalog)),
            numbering,
            billed: Billed::default(),
            remembers: true,
        }
    }

    /// Goes on under a catalog that follows this one ([`succeed`](weir_model::catalog::succeed)).
    pub fn under(self, catalog: &Catalog) -> Biller<'_> {
        let Biller { catalog: _, modified: _, numbering, billed, remembers } = self;
        Biller { catalog, modified: Arc::new(Modified::of_catalog(catalog)), numbering, billed, remembers }
    }

    /// Begins the next close, which seals periods through `through`: notes bear the date of that instant.
    ///
    /// Panics after a close with [`Remember::Nothing`]: what it billed would be billed again.
    pub fn close(&mut self, through: Instant, remember: Remember) -> Closing<'_, 'c> {
        assert!(self.remembers, "a close that remembers nothing is the last one");
        self.remembers = remember == Remember::Lines;
        Closing { biller: self, through, remember, late: BTreeMap::new(), waiting: BTreeMap::new() }
    }
}

/// One close. [`Closing::finish`] must end it: without it what is late would be lost.
#[derive(Debug)]
#[must_use = "a close is over only when it is finished"]
pub struct Closing<'b, 'c> {
    biller: &'b mut Biller<'c>,
    through: Instant,
    remember: Remember,
    late: BTreeMap<PeriodKey, LateLines>,
    /// The periods of each customer that have lines for its next invoice.
    waiting: BTreeMap<(String, Option<CustomerIdx>), Vec<PeriodKey>>,
}

/// What is late in one period.
#[derive(Debug)]
struct LateLines {
    /// The head of a note for it.
    note: Invoice,
    /// In the order of documents, which the lines' own numbers keep.
    lines: Vec<(Destination, Line)>,
}

/// Where a late line goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Destination {
    NextInvoice,
    Note,
}

impl<'c> Closing<'_, 'c> {
    /// The first visit: takes in what has changed in a period that an earlier close sealed ([`Seal::Before`]). A period that no
    /// document has billed yet is late as a whole. Passes over all other periods.
    pub fn revisit(&mut self, period: &CustomerPeriod) -> Result<(), InvoiceError> {
        if period.seal != Seal::Before {
            return Ok(());
        }
        let modified = Arc::clone(&self.biller.modified);
        let context = Context::new(self.biller.catalog, &modified, period)?;
        let (sequence, differences) = self.biller.billed.settle(&context, self.remember)?;
        if differences.is_empty() {
            return Ok(());
        }
        let corrects = sequence.map(|sequence| self.biller.numbering.number(sequence).to_string());
        let mut lines = Vec::with_capacity(differences.len());
        for (number, difference) in (1_u32..).zip(differences) {
            let (destination, line) = late_line(&context, corrects.clone(), &difference)?;
            lines.push((destination, Line { line: number, ..line }));
        }
        let key = PeriodKey::of(period);
        if lines.iter().any(|(destination, _)| *destination == Destination::NextInvoice) {
            self.waiting.entry((period.customer.clone(), period.declared)).or_default().push(key.clone());
        }
        self.late.insert(key, LateLines { note: context.note(self.through)?, lines });
        Ok(())
    }

    /// The second visit: the document of a period that this close seals ([`Seal::Now`]), with its number, and with the late
    /// lines of its customer if it is the customer's first. `None` for other periods, and for one that has nothing to bill.
    pub fn bill<'p>(&mut self, period: &'p CustomerPeriod) -> Result<Option<Document<'p>>, InvoiceError>
    where
        'c: 'p,
    {
        if period.seal != Seal::Now {
            return Ok(None);
        }
        let modified = Arc::clone(&self.biller.modified);
        let context = Context::new(self.biller.catalog, &modified, period)?;
        // Without lines of its own there is no invoice that late ones could go on.
        if !has_lines(&context)? {
            return Ok(None);
        }
        let late = self.take_waiting(period);
        let number = self.biller.numbering.take();
        if self.remember == Remember::Lines {
            self.biller.billed.enter(&context, number.sequence)?;
        }
        Ok(Some(Document { catalog: self.biller.catalog, modified, period, number, late }))
    }

    /// Ends the close: a debit or credit note for each period of which something late is not on an invoice.
    pub fn finish(self) -> Result<Vec<Invoice>, InvoiceError> {
        let mut notes = Vec::with_capacity(self.late.len());
        for LateLines { mut note, lines } in self.late.into_values().filter(|late| !late.lines.is_empty()) {
            note.append(lines.into_iter().map(|(_, line)| line).collect())?;
            notes.push(note.finalized(self.biller.numbering.take()));
        }
        Ok(notes)
    }

    /// The late lines that wait for a customer's next invoice, by period.
    fn take_waiting(&mut self, period: &CustomerPeriod) -> Vec<Line> {
        let mut taken = Vec::new();
        if self.waiting.is_empty() {
            return taken;
        }
        for key in self.waiting.remove(&(period.customer.clone(), period.declared)).unwrap_or_default() {
            let Some(late) = self.late.get_mut(&key) else { continue };
            let (next, note): (Vec<_>, Vec<_>) =
                late.lines.drain(..).partition(|(destination, _)| *destination == Destination::NextInvoice);
            taken.extend(next.into_iter().map(|(_, line)| line));
            late.lines = note;
        }
        taken
    }
}

/// A document that has its number and is still to be written.
#[derive(Debug)]
pub struct Document<'p> {
    catalog: &'p Catalog,
    modified: Arc<Modified>,
    period: &'p CustomerPeriod,
    number: InvoiceNumber,
    late: Vec<Line>,
}

impl Document<'_> {
    /// Its number.
    pub fn number(&self) -> &InvoiceNumber {
        &self.number
    }

    /// Writes it out, finalized.
    pub fn write(self) -> Result<Invoice, InvoiceError> {
        let context = Context::new(self.catalog, &self.modified, self.period)?;
        let mut invoice = context.document(context.lines()?)?;
        invoice.append(self.late)?;
        Ok(invoice.finalized(self.number))
    }
}

/// Whether a period has a document of its own.
fn has_lines(context: &Context<'_>) -> Result<bool, InvoiceError> {
    let mut any = false;
    context.figures(|figure| {
        any |= figure.stands();
        Ok(())
    })?;
    Ok(any)
}

fn late_line(
    context: &Context<'_>,
    corrects: Option<String>,
    difference: &Difference<'_>,
) -> Result<(Destination, Line), InvoiceError> {
    let (segment, item, policy) = changed(context, &difference.line)?;
    let late = Late {
        period: context.service_period(&context.period.period),
        segment: context.stretch(segment),
        corrects,
        owed: difference.owed,
        billed: difference.billed,
    };
    let amount: Money = difference.amount().map_err(InvoiceError::overflow(&context.period.customer))?;
    let destination = match policy {
        // Refused usage never comes here; what else changes a refusing charge is billed as usual.
        LatePolicy::NextInvoice | LatePolicy::Refuse => Destination::NextInvoice,
        LatePolicy::Note => Destination::Note,
    };
    Ok((destination, Line { line: 0, segment: None, item, late: Some(late), amount }))
}

/// Segment, item and policy of a line that has changed.
fn changed<'a>(context: &Context<'a>, line: &Changed<'_>) -> Result<(&'a Segment, Item, LatePolicy), InvoiceError> {
    let foreign = |what| InvoiceError::Foreign { customer: context.period.customer.clone(), what };
    let segments = &context.period.segments;
    match line {
        Changed::Now(figure) => {
            let segment = segments.get(figure.segment).ok_or_else(|| foreign("segment"))?;
            let policy = match figure.entry {
                Entry::Fee { .. } => LatePolicy::default(),
                Entry::Usage { of, .. }
                | Entry::Discount { of, .. }
                | Entry::Maximum { of, .. }
                | Entry::Minimum { of, .. } => of.charge.late_policy,
            };
            Ok((segment, context.item(figure)?, policy))
        }
        Changed::Gone(LineKey { segment_start, part, group }) => {
            let mut segments = segments.iter();
            let segment = segments.find(|s| s.active.start == *segment_start).ok_or_else(|| foreign("segment"))?;
            // All other lines of a plan are there at every close.
            let Part::Usage(index) = *part else { return Err(foreign("line")) };
            let of = Charged { index, charge: context.charge(index) };
            let usage = context.usage(of, group, Amount::ZERO);
            Ok((segment, Item::Usage(Box::new(usage)), of.charge.late_policy))
        }
    }
}

//! How a customer's period becomes a document: who, when, and the lines that its [`Figure`]s stand for.
//!
//! Owns: the head of documents, their dates and totals, and whether there is one at all. Does not own: the amounts of lines
//! (`figures`), what explains them (`items`, `details`), what earlier documents have billed (`biller`). Keeps L5, L6, L8, L9.
//!
//! [`invoiced`] computes only the total, without writing a line out; [`draft`] writes everything. Both read the same figures.

mod details;
mod figures;
mod items;
mod modified;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use weir_model::catalog::{Account, Catalog, Charge, ChargeIdx, Customer, Plan};
use weir_model::currency::Currency;
use weir_model::number::{Money, Overflow};
use weir_model::rated::{CustomerPeriod, Segment};
use weir_model::time::{Instant, Period};

use crate::error::InvoiceError;
use crate::invoice::{DocumentKind, Invoice, Line, Party, Recipient, ServicePeriod, Status, Stretch};
use crate::locale::Locale;
use crate::numbering::InvoiceNumber;

pub(crate) use figures::{Charged, Entry, Figure};
pub use modified::Modified;

/// Everything that the lines of one period refer to.
pub(crate) struct Context<'a> {
    pub catalog: &'a Catalog,
    modified: &'a Modified,
    pub period: &'a CustomerPeriod,
    customer: Option<&'a Customer>,
    account: Option<&'a Account>,
    pub currency: Currency,
    pub zone: &'a TimeZone,
}

/// The net total of a period in its currency's minor unit: the sum of the rounded lines, whether it is sealed or not.
/// Negative: a credit note. `None`: it has no document, because it has no line.
///
/// `modified` is the catalog's. Summed over all sealed periods this is what all documents of all closes come to, because each later one bills differences.
pub fn invoiced(
    catalog: &Catalog,
    modified: &Modified,
    period: &CustomerPeriod,
) -> Result<Option<Money>, InvoiceError> {
    let context = Context::new(catalog, modified, period)?;
    let overflow = InvoiceError::overflow(&period.customer);
    let mut total = Money::zero(context.currency);
    let mut stands = false;
    context.figures(|figure| {
        stands |= figure.stands();
        total = total.checked_add(figure.amount).map_err(&overflow)?;
        Ok(())
    })?;
    Ok(stands.then_some(total))
}

/// What a period's document would be if the period were closed as it is: it may still change, and has no number. `None`:
/// there would be none.
pub fn draft(catalog: &Catalog, period: &CustomerPeriod) -> Result<Option<Invoice>, InvoiceError> {
    let modified = Modified::of_catalog(catalog);
    let context = Context::new(catalog, &modified, period)?;
    let lines = context.lines()?;
    if lines.is_empty() { Ok(None) } else { context.document(lines).map(Some) }
}

impl<'a> Context<'a> {
    /// Looks up what the period names. Fails if the catalog is another one, or prices in another currency than the account's.
    pub fn new(
        catalog: &'a Catalog,
        modified: &'a Modified,
        period: &'a CustomerPeriod,
    ) -> Result<Context<'a>, InvoiceError> {
        let foreign = |what| InvoiceError::Foreign { customer: period.customer.clone(), what };
        let (customer, account) = match period.declared {
            Some(index) => {
                let customer = catalog.customers.get(index.at()).ok_or_else(|| foreign("customer"))?;
                let account = catalog.accounts.get(customer.account.at()).ok_or_else(|| foreign("account"))?;
                (Some(customer), Some(account))
            }
            None => (None, None),
        };
        let mut currency = account.map(|account| account.currency);
        for segment in &period.segments {
            let plan = catalog.plans.get(segment.plan.at()).ok_or_else(|| foreign("plan"))?;
            let expected = *currency.get_or_insert(plan.currency);
            if plan.currency != expected {
                return Err(InvoiceError::Currency {
                    customer: period.customer.clone(),
                    account: expected,
                    plan: plan.name.clone(),
                    plan_currency: plan.currency,
                });
            }
            let owned = |charge: ChargeIdx| catalog.charges.get(charge.at()).is_some_and(|c| c.plan == segment.plan);
            if !segment.buckets.iter().all(|bucket| owned(bucket.charge)) {
                return Err(foreign("charge"));
            }
            // A bill must not silently lose a bucket.
            assert!(segment.buckets.is_sorted_by_key(|bucket| bucket.charge), "buckets are sorted by charge");
        }
        let zone = account.map_or(&catalog.time_zone, |account| &account.time_zone);
        let currency = currency.unwrap_or(catalog.currency);
        Ok(Context { catalog, modified, period, customer, account, currency, zone })
    }

    /// The lines of the period as they stand now, from 1.
    pub fn lines(&self) -> Result<Vec<Line>, InvoiceError> {
        let mut lines = Vec::new();
        self.figures(|figure| {
            if figure.stands() {
                lines.push(self.line(&figure)?);
            }
            Ok(())
        })?;
        renumber(&mut lines);
        Ok(lines)
    }

    /// A document of these lines, as a draft.
    pub fn document(&self, lines: Vec<Line>) -> Result<Invoice, InvoiceError> {
        let overflow = InvoiceError::overflow(&self.period.customer);
        let subtotal = sum(&lines, self.currency).map_err(&overflow)?;
        let total = magnitude(subtotal).map_err(&overflow)?;
        let issued_on = local_date(self.period.period.end.to_timestamp(), self.zone);
        Ok(Invoice {
            kind: if subtotal.minor() < 0 { DocumentKind::CreditNote } else { DocumentKind::Invoice },
            status: Status::Draft,
            number: None,
            locale: self.locale(),
            seller: self.seller(),
            customer: self.recipient(),
            currency: self.currency,
            time_zone: self.zone.iana_name().unwrap_or("UTC").to_owned(),
            issued_on,
            due_on: self.due_on(issued_on),
            period: self.service_period(&self.period.period),
            segments: self.period.segments.iter().map(|segment| self.stretch(segment)).collect(),
            lines,
            subtotal,
            total,
        })
    }

    /// A document about this period that is issued at a later close, still without lines.
    pub fn note(&self, closed_at: Instant) -> Result<Invoice, InvoiceError> {
        let issued_on = local_date(closed_at.to_timestamp(), self.zone);
        let empty = self.document(Vec::new())?;
        Ok(Invoice { kind: DocumentKind::DebitNote, issued_on, due_on: self.due_on(issued_on), ..empty })
    }

    /// A segment's plan and its part of the period.
    pub fn stretch(&self, segment: &Segment) -> Stretch {
        Stretch { plan: self.plan(segment).name.clone(), active: self.service_period(&segment.active) }
    }

    /// A stretch of time with the local dates that it touches.
    pub fn service_period(&self, period: &Period) -> ServicePeriod {
        let last = period.end.micros().saturating_sub(1).max(period.start.micros());
        ServicePeriod {
            start_at: period.start,
            end_at: period.end,
            first_on: local_date(period.start.to_timestamp(), self.zone),
            last_on: local_date(Instant::from_micros(last).to_timestamp(), self.zone),
        }
    }

    fn plan(&self, segment: &Segment) -> &'a Plan {
        self.catalog.plans.get(segment.plan.at()).expect("looked up when the context was made")
    }

    pub(crate) fn charge(&self, index: ChargeIdx) -> &'a Charge {
        self.catalog.charges.get(index.at()).expect("plans name charges of their catalog")
    }

    fn due_on(&self, issued_on: Date) -> Date {
        let days = self.catalog.seller.as_ref().map_or(0, |seller| seller.payment_days);
        issued_on.saturating_add(Span::new().days(days))
    }

    fn locale(&self) -> Locale {
        let own = self.customer.and_then(|customer| Locale::parse(customer.locale.as_deref()?));
        let sellers = || self.catalog.seller.as_ref().and_then(|seller| Locale::parse(&seller.locale));
        own.or_else(sellers).unwrap_or_default()
    }

    fn seller(&self) -> Option<Party> {
        self.catalog.seller.as_ref().map(|seller| Party {
            name: seller.name.clone(),
            address: seller.address.clone(),
            tax_id: seller.tax_id.clone(),
            legal_mentions: seller.legal_mentions.clone(),
        })
    }

    fn recipient(&self) -> Recipient {
        let id = &self.period.customer;
        Recipient {
            id: id.clone(),
            name: self.customer.and_then(|customer| customer.name.as_ref()).unwrap_or(id).clone(),
            address: self.customer.map(|customer| customer.address.clone()).unwrap_or_default(),
            tax_id: self.customer.and_then(|customer| customer.tax_id.clone()),
            account: self.account.map_or(id, |account| &account.name).clone(),
        }
    }
}

impl Invoice {
    /// Appends lines to a document that has no number yet.
    pub(crate) fn append(&mut self, mut lines: Vec<Line>) -> Result<(), InvoiceError> {
        self.lines.append(&mut lines);
        renumber(&mut self.lines);
        let overflow = InvoiceError::overflow(&self.customer.id);
        self.subtotal = sum(&self.lines, self.currency).map_err(&overflow)?;
        self.total = magnitude(self.subtotal).map_err(&overflow)?;
        self.kind = match self.kind {
            _ if self.subtotal.minor() < 0 => DocumentKind::CreditNote,
            // Lines may have made up for what made it a credit note.
            DocumentKind::CreditNote => DocumentKind::Invoice,
            kind => kind,
        };
        Ok(())
    }

    /// The document as it will never change again.
    pub(crate) fn finalized(mut self, number: InvoiceNumber) -> Invoice {
        self.status = Status::Finalized;
        self.number = Some(number);
        self
    }
}

fn renumber(lines: &mut [Line]) {
    for (number, line) in (1_u32..).zip(lines) {
        line.line = number;
    }
}

fn sum(lines: &[Line], currency: Currency) -> Result<Money, Overflow> {
    lines.iter().try_fold(Money::zero(currency), |sum, line| sum.checked_add(line.amount))
}

fn magnitude(money: Money) -> Result<Money, Overflow> {
    money.minor().checked_abs().map(|minor| Money::from_minor(minor, money.currency())).ok_or(Overflow)
}

fn local_date(at: Timestamp, zone: &TimeZone) -> Date {
    zone.to_datetime(at).date()
}

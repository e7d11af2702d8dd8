//! How a period's totals become a document. Two ways that must agree: [`invoiced`] computes only the total, without
//! allocating per line; [`build`] writes every line out.
//!
//! Owns: which lines there are, rounding (c) of each, the details and their shares, dates. Keeps L5, L6, L8, L9.
//!
//! Lines: a fee for each fee of the plan, pro-rated if the customer had the plan for a part of the period; then one usage line
//! for each charge and group. A line without usage that owes nothing is left out; a document without lines does not exist.

mod details;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use weir_model::calendar::prorate;
use weir_model::catalog::{Account, Catalog, Charge, Customer, Fee, Meter, Plan};
use weir_model::currency::Currency;
use weir_model::hash::Digest;
use weir_model::number::{Amount, Money, Overflow, Quantity};
use weir_model::rated::{BucketTotal, CustomerPeriod};
use weir_model::rounding::RoundingMode;
use weir_model::time::Period;

use crate::error::InvoiceError;
use crate::invoice::{
    Dimension, DocumentKind, FeeLine, Invoice, Line, Party, Recipient, ServicePeriod, Status, UsageLine, UsagePrice,
};
use crate::locale::Locale;
use crate::numbering::InvoiceNumber;

/// Rounding (c): what most invoices do.
const LINE_ROUNDING: RoundingMode = RoundingMode::HalfAway;

/// Everything that the lines of one period refer to.
struct Context<'a> {
    catalog: &'a Catalog,
    totals: &'a CustomerPeriod,
    plan: &'a Plan,
    customer: Option<&'a Customer>,
    account: Option<&'a Account>,
    currency: Currency,
    zone: &'a TimeZone,
}

/// The net total of a period in its currency's minor unit: the sum of the rounded lines. Negative: a credit note.
pub fn invoiced(catalog: &Catalog, totals: &CustomerPeriod) -> Result<Money, InvoiceError> {
    let context = Context::new(catalog, totals)?;
    let overflow = InvoiceError::overflow(&totals.customer);
    let mut total = Money::zero(context.currency);
    for fee in &context.plan.fees {
        let exact = context.fee_amount(fee).map_err(&overflow)?;
        total = total.checked_add(exact.to_money(context.currency, LINE_ROUNDING)).map_err(&overflow)?;
    }
    for buckets in billed_lines(totals) {
        let exact = exact_sum(buckets).map_err(&overflow)?;
        total = total.checked_add(exact.to_money(context.currency, LINE_ROUNDING)).map_err(&overflow)?;
    }
    Ok(total)
}

/// Whether the period has a document: it has a fee, or usage, or owes something without usage.
pub fn is_billable(catalog: &Catalog, totals: &CustomerPeriod) -> bool {
    let fees = catalog.plans.get(totals.plan.at()).is_some_and(|plan| !plan.fees.is_empty());
    fees || billed_lines(totals).next().is_some()
}

/// The document of a period. With a number it is finalized, which only a sealed period's document can be; without one it
/// is a draft.
pub fn build(
    catalog: &Catalog,
    totals: &CustomerPeriod,
    number: Option<InvoiceNumber>,
) -> Result<Invoice, InvoiceError> {
    let context = Context::new(catalog, totals)?;
    if number.is_some() && !totals.sealed {
        return Err(InvoiceError::NotSealed { customer: totals.customer.clone() });
    }
    let lines = context.lines()?;
    if lines.is_empty() {
        return Err(InvoiceError::Empty { customer: totals.customer.clone() });
    }
    let overflow = InvoiceError::overflow(&totals.customer);
    let sum = |sum: Money, line: &Line| sum.checked_add(line.amount());
    let subtotal = lines.iter().try_fold(Money::zero(context.currency), sum).map_err(&overflow)?;
    let owed = subtotal.minor() >= 0;
    let magnitude = subtotal.minor().checked_abs().ok_or(Overflow).map_err(&overflow)?;
    let issued_on = local_date(totals.period.end.to_timestamp(), context.zone);
    Ok(Invoice {
        kind: if owed { DocumentKind::Invoice } else { DocumentKind::CreditNote },
        status: if number.is_some() { Status::Finalized } else { Status::Draft },
        number,
        locale: context.locale(),
        seller: context.seller(),
        customer: context.recipient(),
        plan: context.plan.name.clone(),
        currency: context.currency,
        time_zone: context.zone.iana_name().unwrap_or("UTC").to_owned(),
        issued_on,
        due_on: context.due_on(issued_on),
        period: service_period(&totals.period, context.zone),
        active: context.is_partial().then(|| service_period(&totals.active, context.zone)),
        lines,
        subtotal,
        total: Money::from_minor(magnitude, context.currency),
    })
}

impl<'a> Context<'a> {
    fn new(catalog: &'a Catalog, totals: &'a CustomerPeriod) -> Result<Context<'a>, InvoiceError> {
        let foreign = |what| InvoiceError::Foreign { customer: totals.customer.clone(), what };
        let plan = catalog.plans.get(totals.plan.at()).ok_or_else(|| foreign("plan"))?;
        let (customer, account) = match totals.declared {
            Some(index) => {
                let customer = catalog.customers.get(index.at()).ok_or_else(|| foreign("customer"))?;
                let account = catalog.accounts.get(customer.account.at()).ok_or_else(|| foreign("account"))?;
                (Some(customer), Some(account))
            }
            None => (None, None),
        };
        if let Some(account) = account.filter(|account| account.currency != plan.currency) {
            return Err(InvoiceError::Currency {
                customer: totals.customer.clone(),
                account: account.currency,
                plan: plan.name.clone(),
                plan_currency: plan.currency,
            });
        }
        let zone = account.map_or(&catalog.time_zone, |account| &account.time_zone);
        Ok(Context { catalog, totals, plan, customer, account, currency: plan.currency, zone })
    }

    fn is_partial(&self) -> bool {
        self.totals.active != self.totals.period
    }

    fn fee_amount(&self, fee: &Fee) -> Result<Amount, Overflow> {
        if !self.is_partial() {
            return Ok(fee.amount);
        }
        prorate(fee.amount, &self.totals.active, &self.totals.period, self.plan.proration, self.zone)
    }

    fn lines(&self) -> Result<Vec<Line>, InvoiceError> {
        let mut lines = Vec::new();
        let mut number = 0_u32;
        for fee in &self.plan.fees {
            number = number.saturating_add(1);
            lines.push(Line::Fee(self.fee_line(number, fee)?));
        }
        for buckets in billed_lines(self.totals) {
            number = number.saturating_add(1);
            lines.push(Line::Usage(self.usage_line(number, buckets)?));
        }
        Ok(lines)
    }

    fn fee_line(&self, line: u32, fee: &Fee) -> Result<FeeLine, InvoiceError> {
        let exact_amount = self.fee_amount(fee).map_err(InvoiceError::overflow(&self.totals.customer))?;
        Ok(FeeLine {
            line,
            name: fee.name.clone(),
            period_amount: fee.amount,
            exact_amount,
            amount: exact_amount.to_money(self.currency, LINE_ROUNDING),
        })
    }

    /// `buckets` are those of one charge and group: at least one.
    fn usage_line(&self, line: u32, buckets: &[BucketTotal]) -> Result<UsageLine, InvoiceError> {
        let foreign = |what| InvoiceError::Foreign { customer: self.totals.customer.clone(), what };
        let first = buckets.first().ok_or_else(|| foreign("bucket"))?;
        let charge = self.catalog.charges.get(first.charge.at()).ok_or_else(|| foreign("charge"))?;
        let meter = self.catalog.meters.get(charge.meter.at()).ok_or_else(|| foreign("meter"))?;
        let overflow = InvoiceError::overflow(&self.totals.customer);
        let exact_amount = exact_sum(buckets).map_err(&overflow)?;
        let amount = exact_amount.to_money(self.currency, LINE_ROUNDING);
        Ok(UsageLine {
            line,
            charge: charge.name.clone(),
            meter: meter.name.clone(),
            aggregation: meter.aggregation.name(),
            price: UsagePrice { name: charge.price_name.clone(), model: charge.price.model() },
            group: group(charge, first),
            quantity: quantity(meter, buckets).map_err(&overflow)?,
            unit: meter.name.clone(),
            events: buckets.iter().fold(0, |events, bucket| bucket.events.saturating_add(events)),
            digest: buckets.iter().fold(Digest::default(), |digest, bucket| digest.plus(bucket.digest)),
            exact_amount,
            amount,
            details: details::details(self, charge, meter, buckets, amount)?,
        })
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
        let id = &self.totals.customer;
        Recipient {
            id: id.clone(),
            name: self.customer.and_then(|customer| customer.name.as_ref()).unwrap_or(id).clone(),
            address: self.customer.map(|customer| customer.address.clone()).unwrap_or_default(),
            tax_id: self.customer.and_then(|customer| customer.tax_id.clone()),
            account: self.account.map_or(id, |account| &account.name).clone(),
        }
    }
}

/// The buckets of each usage line: they are sorted, so those of one charge and group stand together.
fn billed_lines(totals: &CustomerPeriod) -> impl Iterator<Item = &[BucketTotal]> {
    let lines = totals.buckets.chunk_by(|a, b| a.charge == b.charge && a.group == b.group);
    lines.filter(|buckets| buckets.iter().any(|bucket| bucket.events > 0 || bucket.amount != Amount::ZERO))
}

fn exact_sum(buckets: &[BucketTotal]) -> Result<Amount, Overflow> {
    buckets.iter().try_fold(Amount::ZERO, |sum, bucket| sum.checked_add(bucket.amount))
}

fn group(charge: &Charge, bucket: &BucketTotal) -> Vec<Dimension> {
    let pair = |(dimension, value): (&weir_model::catalog::Dimension, &String)| Dimension {
        dimension: dimension.name.clone(),
        value: value.clone(),
    };
    charge.group_by.iter().zip(&bucket.group).map(pair).collect()
}

/// The line's quantity. Counts and sums of several cells add up; the greatest value of one cell and of another do not.
fn quantity(meter: &Meter, buckets: &[BucketTotal]) -> Result<Option<String>, Overflow> {
    if buckets.len() > 1 && !meter.aggregation.is_additive() {
        return Ok(None);
    }
    let add = |sum: Quantity, bucket: &BucketTotal| sum.checked_add(bucket.quantity);
    let sum = buckets.iter().try_fold(Quantity::ZERO, add)?;
    Ok(Some(sum.to_text(meter.scale)))
}

fn service_period(period: &Period, zone: &TimeZone) -> ServicePeriod {
    let last = period.end.micros().saturating_sub(1).max(period.start.micros());
    ServicePeriod {
        start_at: period.start,
        end_at: period.end,
        first_on: local_date(period.start.to_timestamp(), zone),
        last_on: local_date(weir_model::time::Instant::from_micros(last).to_timestamp(), zone),
    }
}

fn local_date(at: Timestamp, zone: &TimeZone) -> Date {
    zone.to_datetime(at).date()
}

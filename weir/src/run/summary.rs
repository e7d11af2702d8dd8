//! The sums over all totals, computed in parallel: no order is needed for them.

use std::collections::BTreeMap;

use anyhow::Result;
use weir_invoicer::Modified;
use weir_model::catalog::Catalog;
use weir_model::currency::Currency;
use weir_model::number::{Amount, Money};
use weir_model::rated::CustomerPeriod;
use weir_rater::close::Periods;

use super::documents::Billed;
use super::pieces;
use crate::report::Report;

/// Sums over some customers' periods.
#[derive(Debug, Default)]
struct Sums {
    amounts: BTreeMap<Currency, Amount>,
    invoiced: BTreeMap<Currency, Money>,
    invoices: u64,
    totals: u64,
}

/// Fills in what the report says about totals and money.
pub fn fill(report: &mut Report, catalog: &Catalog, (periods, threads): (&Periods<'_>, usize)) -> Result<()> {
    let mut sums = Sums::default();
    let modified = Modified::of_catalog(catalog);
    let sum = |range| {
        let mut sums = Sums::default();
        periods.visit(range, |period| sums.add_period((catalog, &modified), period))?;
        Ok(sums)
    };
    pieces::in_order(periods, threads, sum, |part| sums.add(&part))?;
    report.amounts = texts(&sums.amounts, Amount::to_string);
    report.invoiced = texts(&sums.invoiced, |money| money.to_decimal_text());
    report.invoices = sums.invoices;
    report.totals = sums.totals;
    Ok(())
}

/// What the documents of several closes came to.
pub fn bill(report: &mut Report, billed: &Billed) {
    report.invoiced = texts(&billed.totals, |money| money.to_decimal_text());
    report.invoices = billed.count;
}

fn texts<T>(sums: &BTreeMap<Currency, T>, text: impl Fn(&T) -> String) -> BTreeMap<String, String> {
    sums.iter().map(|(currency, sum)| (currency.to_string(), text(sum))).collect()
}

impl Sums {
    fn add_period(&mut self, (catalog, modified): (&Catalog, &Modified), period: &CustomerPeriod) -> Result<()> {
        for segment in &period.segments {
            let Some(plan) = catalog.plans.get(segment.plan.at()) else { continue };
            let amounts = self.amounts.entry(plan.currency).or_default();
            for bucket in &segment.buckets {
                *amounts = amounts.checked_add(bucket.amount)?;
                self.totals += u64::from(bucket.events > 0);
            }
        }
        if period.seal.is_sealed()
            && let Some(money) = weir_invoicer::invoiced(catalog, modified, period)?
        {
            self.add_money(money.currency(), money)?;
            self.invoices += 1;
        }
        Ok(())
    }

    fn add_money(&mut self, currency: Currency, money: Money) -> Result<()> {
        let sum = self.invoiced.entry(currency).or_insert(Money::zero(currency));
        *sum = sum.checked_add(money)?;
        Ok(())
    }

    fn add(&mut self, other: &Sums) -> Result<()> {
        for (currency, amount) in &other.amounts {
            let sum = self.amounts.entry(*currency).or_default();
            *sum = sum.checked_add(*amount)?;
        }
        for (currency, money) in &other.invoiced {
            self.add_money(*currency, *money)?;
        }
        self.invoices += other.invoices;
        self.totals += other.totals;
        Ok(())
    }
}

//! The sums over all totals, computed in parallel: no order is needed for them.

use std::collections::BTreeMap;
use std::thread;

use anyhow::{Result, anyhow};
use weir_invoicer::Modified;
use weir_model::catalog::Catalog;
use weir_model::currency::Currency;
use weir_model::number::{Amount, Money};
use weir_model::rated::CustomerPeriod;
use weir_rater::Shard;
use weir_rater::close::Close;

use super::documents::Billed;
use crate::report::Report;

/// Sums over some customers' periods.
#[derive(Debug, Default)]
pub struct Sums {
    amounts: BTreeMap<Currency, Amount>,
    invoiced: BTreeMap<Currency, Money>,
    invoices: u64,
    totals: u64,
}

/// The sums over all periods of a close.
pub fn of(close: &Close<'_>, (shards, threads): (&[Shard], usize)) -> Result<Sums> {
    let mut sums = Sums::default();
    let catalog = close.catalog();
    let modified = Modified::of_catalog(catalog);
    let sum = |shards: &[Shard]| {
        let mut sums = Sums::default();
        for shard in shards {
            close.visit_own(shard, |period| sums.add_period((catalog, &modified), period))?;
        }
        anyhow::Ok(sums)
    };
    thread::scope(|scope| {
        let parts = shards.chunks(shards.len().div_ceil(threads).max(1));
        let parts: Vec<_> = parts.map(|shards| scope.spawn(move || sum(shards))).collect();
        for part in parts {
            sums.add(&part.join().map_err(|_| anyhow!("internal error: summing totals panicked"))??)?;
        }
        anyhow::Ok(())
    })?;
    for period in close.merged_periods() {
        sums.add_period((catalog, &modified), period)?;
    }
    Ok(sums)
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
    /// Fills in what the report says about totals and money.
    pub fn fill(&self, report: &mut Report) {
        report.amounts = texts(&self.amounts, Amount::to_string);
        report.invoiced = texts(&self.invoiced, |money| money.to_decimal_text());
        report.invoices = self.invoices;
        report.totals = self.totals;
    }

    /// Adds one customer's period.
    pub fn add_period(&mut self, (catalog, modified): (&Catalog, &Modified), period: &CustomerPeriod) -> Result<()> {
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

    /// Adds the sums over other periods.
    pub fn add(&mut self, other: &Sums) -> Result<()> {
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

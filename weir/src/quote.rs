//! `weir quote`: what one price makes of a quantity or of events, and the lines that explain it.
//!
//! Owns: which version, cell and events a request means, and N(Q) - N(Q0). Does not own: prices and modifiers (model), lines
//! and their rounding (invoicer): a quote is the line of an invoice for a whole period, so it cannot differ from one.

mod bill;
mod output;
mod request;
mod situation;

use std::process::ExitCode;

use anyhow::Result;
use weir_model::catalog::{Catalog, PriceFile};
use weir_model::currency::Currency;
use weir_model::number::{Amount, Money};

use crate::cli::QuoteArgs;
use crate::failure::invalid;
use crate::files;
use bill::Bill;
use situation::Situation;

pub use bill::{Figures, QuoteEvent, QuoteLine};
pub use request::{Request, Usage};

/// Runs the command.
pub fn command(args: &QuoteArgs) -> Result<ExitCode> {
    let request = Request::of(args)?;
    let (text, beside) = files::prices(&args.price)?;
    let file_name = args.price.to_string_lossy();
    let file = PriceFile::new(&file_name, &text, &beside).map_err(invalid)?;
    print!("{}", output::printed(&quote(&file, &request)?, args.format)?);
    Ok(ExitCode::SUCCESS)
}

/// What one price makes of a request.
#[derive(Debug)]
pub struct Quote {
    /// The price's name.
    pub price: String,
    /// Its model in the version that holds.
    pub model: &'static str,
    /// The version that holds, from 1.
    pub version: u32,
    /// What leads to the cell that holds; empty for a price without cells.
    pub cell: Vec<weir_invoicer::CellChoice>,
    /// The quantity, and what it comes to.
    pub usage: Figures,
    /// What was billed before: without the minimum, as an interim document leaves it out.
    pub before: Option<Figures>,
    /// A(Q), before rounding (c) of rating.md and before discount, maximum and minimum; less A(Q0).
    pub exact_amount: Amount,
    /// N(Q): the sum of the lines; less N(Q0).
    pub amount: Money,
    /// What explains it: the amounts sum to the amount.
    pub lines: Vec<QuoteLine>,
    /// What each event adds, of usage that was given as events: their exact amounts and A of no usage sum to A(Q).
    pub events: Vec<QuoteEvent>,
}

impl Quote {
    /// The currency of every amount.
    pub fn currency(&self) -> Currency {
        self.amount.currency()
    }
}

/// Prices a request. All errors are the caller's.
pub fn quote(file: &PriceFile<'_>, request: &Request) -> Result<Quote> {
    let name = price_name(file, request)?;
    let catalog = file.catalog(&name, request.decimals()).map_err(invalid)?;
    let situation = Situation::of(&catalog, &name, request)?;
    let bill = Bill::of(&catalog, &situation, &request.usage)?;
    let (before, bill) = match &request.from {
        None => (None, bill),
        Some(from) => {
            situation.check_has_quantity()?;
            let before = Bill::of(&interim(&catalog), &situation, from)?;
            let rest = bill.less(&before)?;
            (Some(before.figures), rest)
        }
    };
    let Bill { figures, exact, amount, lines, events } = bill;
    Ok(Quote {
        price: situation.name().to_owned(),
        model: situation.model(),
        version: situation.version_number(),
        cell: situation.cell_choices(),
        usage: figures,
        before,
        exact_amount: exact,
        amount,
        lines,
        events,
    })
}

/// The price that is asked for: the only one, if no name says which.
fn price_name(file: &PriceFile<'_>, request: &Request) -> Result<String> {
    let names = file.names();
    match (&request.name, names.as_slice()) {
        (Some(name), _) => Ok(name.clone()),
        (None, [only]) => Ok(only.clone()),
        (None, several) => {
            let listed = several.join(", ");
            let reason = format!("{} has {} prices", file.file_name(), several.len());
            Err(invalid(format!("{reason}; add --name and one of {listed}")))
        }
    }
}

/// The catalog as interim documents see it.
fn interim(catalog: &Catalog) -> Catalog {
    let mut catalog = catalog.clone();
    for charge in &mut catalog.charges {
        charge.minimum = None;
    }
    catalog
}

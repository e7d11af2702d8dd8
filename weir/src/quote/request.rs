//! What a quote is asked for, from its texts.

use anyhow::Result;
use weir_model::decimal::Decimal;
use weir_model::number::QUANTITY_SCALE_MAX;

use crate::cli::QuoteArgs;
use crate::failure::invalid;

/// What to price, and where.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Which price; the file's only one if absent.
    pub name: Option<String>,
    /// The usage to price.
    pub usage: Usage,
    /// What an interim document has billed before.
    pub from: Option<Usage>,
    /// Values of the dimensions that choose a cell.
    pub dimensions: Vec<(String, String)>,
    /// RFC 3339, or a local date or time in the price's zone: chooses the version and the window.
    pub at: Option<String>,
}

/// How much was used.
#[derive(Debug, Clone)]
pub enum Usage {
    /// A quantity; of a price that has an amount for each event, one event.
    Quantity(Decimal),
    /// A quantity for each resource of a capacity price; those that are not named are zero.
    Resources(Vec<(String, Decimal)>),
    /// Events, in order.
    Values(Vec<Decimal>),
}

impl Default for Usage {
    /// No events.
    fn default() -> Usage {
        Usage::Values(Vec::new())
    }
}

impl Request {
    /// What the command line asks for.
    pub(super) fn of(args: &QuoteArgs) -> Result<Request> {
        let usage = match (&args.quantity, &args.values) {
            (Some(quantity), _) => Usage::quantity("--quantity", quantity)?,
            (None, Some(values)) => Usage::values("--values", values)?,
            (None, None) => return Err(invalid("how much? Add --quantity Q, or --values V1,V2,... for events")),
        };
        let from = args.from.as_deref().map(|from| Usage::quantity("--from", from)).transpose()?;
        let dimensions = args.dimension.iter().map(|text| pair("--dimension", text, "region=eu"));
        Ok(Request {
            name: args.name.clone(),
            usage,
            from,
            dimensions: dimensions.collect::<Result<_>>()?,
            at: args.at.clone(),
        })
    }

    /// Decimals of the finest figure in it.
    pub(super) fn decimals(&self) -> u8 {
        std::iter::once(&self.usage).chain(&self.from).map(Usage::decimals).max().unwrap_or(0)
    }
}

impl Usage {
    /// `1200.5`, or `seats=3,storage=9`. `option` stands in errors.
    pub fn quantity(option: &str, text: &str) -> Result<Usage> {
        if !text.contains('=') {
            return decimal(option, text).map(Usage::Quantity);
        }
        let resources = text.split(',').map(|part| {
            let (name, quantity) = pair(option, part, "seats=3,storage=9")?;
            Ok((name, decimal(option, &quantity)?))
        });
        resources.collect::<Result<_>>().map(Usage::Resources)
    }

    /// `10,80.5,10000`; an empty text is no events.
    pub fn values(option: &str, text: &str) -> Result<Usage> {
        let values = text.split(',').filter(|_| !text.trim().is_empty());
        values.map(|value| decimal(option, value)).collect::<Result<_>>().map(Usage::Values)
    }

    fn decimals(&self) -> u8 {
        match self {
            Usage::Quantity(quantity) => quantity.scale,
            Usage::Resources(resources) => resources.iter().map(|(_, quantity)| quantity.scale).max().unwrap_or(0),
            Usage::Values(values) => values.iter().map(|value| value.scale).max().unwrap_or(0),
        }
    }
}

fn pair(option: &str, text: &str, example: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => Err(invalid(format!("{option} {text:?} has no name; write for example {option} {example}"))),
    }
}

fn decimal(option: &str, text: &str) -> Result<Decimal> {
    let text = text.trim();
    let fix = "write digits with a point at most: 1200.5";
    let decimal =
        Decimal::parse(text.as_bytes()).map_err(|error| invalid(format!("{option} {text:?} {error}; {fix}")))?;
    if decimal.scale > QUANTITY_SCALE_MAX {
        let reason = format!("{option} {text:?} has more than the {QUANTITY_SCALE_MAX} decimals that a meter keeps");
        return Err(invalid(format!("{reason}; round it")));
    }
    Ok(decimal)
}

//! What a price is made of: what decides which meters and modifiers it can stand with, however many cells it has.

use super::source::{Model, Part};

/// A kind of price without cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Kind {
    /// `unit`, the one cumulative price of quantities below zero.
    Unit,
    /// Any other function of the cumulative quantity, by its model's name.
    Cumulative(&'static str),
    /// `percentage` of which nothing is free.
    Percentage,
    /// `percentage` with free events or a free amount.
    FreePercentage,
    /// `dynamic`.
    Dynamic,
    /// `increments`.
    Increments,
    /// `capacity`.
    Capacity,
}

impl Kind {
    /// The model's name, with its article.
    pub(in super::super) fn described(self) -> String {
        match self {
            Kind::Unit => "a unit".to_owned(),
            Kind::Cumulative(name) => format!("a {name}"),
            Kind::Percentage | Kind::FreePercentage => "a percentage".to_owned(),
            Kind::Dynamic => "a dynamic".to_owned(),
            Kind::Increments => "an increments".to_owned(),
            Kind::Capacity => "a capacity".to_owned(),
        }
    }
}

/// What one version of a price is made of.
#[derive(Debug)]
pub(in super::super) struct Makeup {
    /// The kinds of all its cells, each once.
    pub(in super::super) kinds: Vec<Kind>,
    /// Whether dimensions choose a cell anywhere in it.
    pub(in super::super) has_matrix: bool,
    /// Whether the time of day does.
    pub(in super::super) has_schedule: bool,
}

impl Makeup {
    pub(super) fn of(part: &Part) -> Makeup {
        let mut makeup = Makeup { kinds: Vec::new(), has_matrix: false, has_schedule: false };
        makeup.add(part);
        makeup
    }

    fn add(&mut self, part: &Part) {
        let kind = match &part.model {
            Model::Matrix(matrix) => {
                self.has_matrix = true;
                matrix
                    .cells
                    .iter()
                    .map(|cell| &cell.price)
                    .chain(matrix.otherwise.as_deref())
                    .for_each(|p| self.add(p));
                return;
            }
            Model::Schedule(schedule) => {
                self.has_schedule = true;
                let prices = schedule.windows.iter().map(|window| &window.price);
                prices.chain(schedule.otherwise.as_deref()).for_each(|price| self.add(price));
                return;
            }
            Model::Unit { .. } => Kind::Unit,
            Model::Graduated(_) => Kind::Cumulative("graduated"),
            Model::GraduatedPercentage(_) => Kind::Cumulative("graduated_percentage"),
            Model::Volume(_) => Kind::Cumulative("volume"),
            Model::Stairstep(_) => Kind::Cumulative("stairstep"),
            Model::Package { .. } => Kind::Cumulative("package"),
            Model::Percentage(source) if source.free_events.is_some() || source.free_amount.is_some() => {
                Kind::FreePercentage
            }
            Model::Percentage(_) => Kind::Percentage,
            Model::Dynamic { .. } => Kind::Dynamic,
            Model::Increments { .. } => Kind::Increments,
            Model::Capacity(_) => Kind::Capacity,
        };
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
    }
}

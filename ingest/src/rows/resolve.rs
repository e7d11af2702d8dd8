//! The mapping's column names become numbers; a name that the file has not is an error that offers the closest one.

use weir_model::mapping::{EventMapping, FieldMapping, Mapping, TextMapping};

use super::{FieldPlan, RowPlan, TablePlan, TextPlan, TimePlan, json_string};
use crate::input::InputError;

/// Column names that an error lists when none is close.
const COLUMNS_SHOWN: usize = 12;

/// Resolves `mapping` against the `columns` of the file `name`.
pub(crate) fn resolve(mapping: &Mapping, name: &str, columns: Vec<String>) -> Result<RowPlan, InputError> {
    let mut resolver = Resolver { name, columns: &columns, constants: Vec::new() };
    let mut filter = Vec::with_capacity(mapping.row_filter.len());
    for (column, values) in &mapping.row_filter {
        let values = values.iter().map(|value| value.as_bytes().to_vec()).collect();
        filter.push((resolver.column(column)?, values));
    }
    let tables = mapping.events.iter().map(|table| resolver.table(table)).collect::<Result<_, _>>()?;
    let constants = resolver.constants;
    Ok(RowPlan { columns, filter, tables, constants })
}

struct Resolver<'a> {
    name: &'a str,
    columns: &'a [String],
    constants: Vec<Vec<u8>>,
}

impl Resolver<'_> {
    fn table(&mut self, table: &EventMapping) -> Result<TablePlan, InputError> {
        Ok(TablePlan {
            source: self.text(&table.source)?,
            id: self.text(&table.id)?,
            event_type: self.text(&table.event_type)?,
            subject: self.text(&table.subject)?,
            partition_key: table.partition_key.as_ref().map(|text| self.text(text)).transpose()?,
            time: TimePlan {
                column: self.column(&table.time.column)?,
                format: table.time.format.clone(),
                zone: table.time.zone.clone(),
            },
            data: table.data.iter().map(|(key, field)| self.field(key, field)).collect::<Result<_, _>>()?,
        })
    }

    fn text(&mut self, text: &TextMapping) -> Result<TextPlan, InputError> {
        Ok(match text {
            TextMapping::Constant(constant) => {
                self.constants.push(constant.as_bytes().to_vec());
                TextPlan::Constant(self.constants.len() - 1)
            }
            TextMapping::Column(column) => TextPlan::Column(self.column(column)?),
            TextMapping::Join { columns, join } => {
                let columns = columns.iter().map(|column| self.column(column)).collect::<Result<_, _>>()?;
                TextPlan::Join(columns, join.as_bytes().to_vec())
            }
        })
    }

    fn field(&mut self, key: &str, field: &FieldMapping) -> Result<FieldPlan, InputError> {
        let mut prefix = json_string(key.as_bytes());
        prefix.push(b':');
        if let TextMapping::Constant(constant) = &field.text {
            prefix.extend(json_string(constant.as_bytes()));
        }
        Ok(FieldPlan { prefix, text: self.text(&field.text)?, empty: field.empty })
    }

    fn column(&self, column: &str) -> Result<usize, InputError> {
        let mut places = self.columns.iter().enumerate().filter(|(_, name)| *name == column).map(|(at, _)| at);
        match (places.next(), places.next()) {
            (Some(at), None) => Ok(at),
            (Some(_), Some(_)) => {
                Err(InputError::ColumnAmbiguous { name: self.name.to_owned(), column: column.to_owned() })
            }
            (None, _) => Err(InputError::ColumnMissing {
                name: self.name.to_owned(),
                column: column.to_owned(),
                closest: closest(column, self.columns),
                columns: self.columns.iter().take(COLUMNS_SHOWN).cloned().collect(),
            }),
        }
    }
}

/// The name with the fewest edits to `wanted`, if these are at most two fifths of its letters; case and signs do not count.
fn closest(wanted: &str, names: &[String]) -> Option<String> {
    let wanted = letters(wanted);
    let scored = names.iter().map(|name| (edits(&wanted, &letters(name)), name));
    let (distance, name) = scored.min_by_key(|(distance, _)| *distance)?;
    (distance * 5 <= wanted.len() * 2).then(|| name.clone())
}

fn letters(name: &str) -> Vec<char> {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Levenshtein distance.
fn edits(from: &[char], to: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, letter) in from.iter().enumerate() {
        let mut diagonal = at;
        row[0] = at + 1;
        for (column, other) in to.iter().enumerate() {
            let change = diagonal + usize::from(letter != other);
            diagonal = row[column + 1];
            row[column + 1] = change.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

//! `matrix` as written: its cells in place or in a file.

use super::super::super::toml_reader::{Item, Mark, Table};
use super::super::optional;
use super::cells_file;
use super::read::{Place, Reader};
use super::source::{CellSource, MatrixSource};

/// The dimensions, each with the place of its first mention, and the cells.
pub(super) type Cells = (Vec<(String, Mark)>, Vec<CellSource>);

const CELLS: &str = "[{ when = { region = \"eu\" }, price = { ... } }]";

impl Reader<'_> {
    /// The keys of a matrix that stands at `place`.
    pub(super) fn read_matrix(&self, table: &mut Table<'_>, place: Place) -> Option<MatrixSource> {
        let inside = if place == Place::Whole { Place::Cell } else { Place::Innermost };
        let in_place = table.optional("cells");
        let file = table.optional("cells_file");
        let otherwise = optional(table, "otherwise", |item| self.read_inner(item, inside).map(Box::new));
        let (dimensions, cells) = match (in_place, file) {
            (Some(item), None) => self.read_cells(&item, inside)?,
            (None, Some(item)) => cells_file::read(&item, self.sources)?,
            (Some(_), Some(file)) => {
                file.error("stands beside `cells`", "keep the cells in one place");
                return None;
            }
            (None, None) => {
                table.required("cells", &format!("{CELLS}, or cells_file"));
                return None;
            }
        };
        Some(MatrixSource { dimensions, cells, otherwise: otherwise? })
    }

    fn read_cells(&self, item: &Item<'_>, inside: Place) -> Option<Cells> {
        let mut dimensions: Option<Vec<(String, Mark)>> = None;
        let mut cells = Vec::new();
        let mut complete = true;
        for element in item.array(CELLS)? {
            match self.read_cell(&element, &mut dimensions, inside) {
                Some(cell) => cells.push(cell),
                None => complete = false,
            }
        }
        if complete && cells.is_empty() {
            item.error("has no cell", "add one, or use another price model");
            return None;
        }
        complete.then_some((dimensions?, cells))
    }

    fn read_cell(
        &self,
        item: &Item<'_>,
        dimensions: &mut Option<Vec<(String, Mark)>>,
        inside: Place,
    ) -> Option<CellSource> {
        let mut table = item.table()?;
        let mark = table.mark();
        let when = table.required("when", "{ region = \"eu\" }");
        let price = table.required("price", "{ model = \"unit\", unit_amount = \"0.01\" }");
        let price = price.and_then(|item| self.read_inner(&item, inside));
        table.finish();
        let when = when?;
        let mut entries = when.table()?.entries();
        if entries.is_empty() {
            when.error("names no dimension", "a price for everything else goes to `otherwise`");
            return None;
        }
        entries.sort_by_key(|(name, _)| *name);
        let known = dimensions
            .get_or_insert_with(|| entries.iter().map(|(name, value)| ((*name).to_owned(), value.mark())).collect());
        if !known.iter().map(|(name, _)| name.as_str()).eq(entries.iter().map(|(name, _)| *name)) {
            let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
            let fix = format!("name {} in each cell", names.join(", "));
            when.error("names other dimensions than the first cell", fix);
            return None;
        }
        let values: Vec<_> = entries.iter().map(|(_, value)| value.text().map(str::to_owned)).collect();
        let when = values.into_iter().collect::<Option<Vec<String>>>()?;
        Some(CellSource { mark, when, price: price? })
    }
}

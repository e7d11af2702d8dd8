//! A document as plain text for a terminal: at most 100 columns, amounts right-aligned.
//!
//! Owns: layout only; what is said comes from `page`.

use std::iter::repeat_n;

use unicode_width::UnicodeWidthStr;

use crate::invoice::Invoice;
use crate::page::{Block, Page, Row};

/// Widest line.
const WIDTH: usize = 100;
/// Seller and customer, to the left of the dates.
const PARTIES_WIDTH: usize = 44;
/// Between two columns.
const GAP: usize = 2;
/// Widest column of figures; wider figures wrap.
const FIGURE_WIDTH_MAX: usize = 24;
const INDENT: &str = "  ";

/// One row of the table: the description, and the three figures.
struct Cells<'a> {
    indent: usize,
    description: &'a str,
    figures: [&'a str; 3],
}

/// Widths of the description and of the three columns of figures.
struct Widths {
    description: usize,
    figures: [usize; 3],
}

/// The document as text, each line ending in a line break.
pub fn to_text(invoice: &Invoice) -> String {
    let page = Page::new(invoice);
    let mut out = Text::default();
    head(&mut out, &page);
    table(&mut out, &page);
    out.lines.join("\n") + "\n"
}

#[derive(Default)]
struct Text {
    lines: Vec<String>,
}

impl Text {
    fn push(&mut self, line: &str) {
        self.lines.push(line.trim_end().to_owned());
    }

    fn rule(&mut self, with: &str) {
        self.lines.push(with.repeat(WIDTH));
    }

    fn row(&mut self, widths: &Widths, cells: &Cells<'_>) {
        let room = widths.description.saturating_sub(cells.indent);
        let description = wrap(cells.description, room);
        let figures = [0, 1, 2].map(|i| wrap(figure(cells.figures, i), width_at(widths.figures, i)));
        let height = figures.iter().map(Vec::len).fold(description.len(), usize::max);
        for i in 0..height {
            let text = description.get(i).map_or("", String::as_str);
            let mut line = " ".repeat(cells.indent);
            line.push_str(&left(text, room));
            for (parts, width) in figures.iter().zip(widths.figures) {
                line.extend(repeat_n(' ', GAP));
                line.push_str(&right(parts.get(i).map_or("", String::as_str), width));
            }
            self.push(&line);
        }
    }
}

fn figure(figures: [&str; 3], i: usize) -> &str {
    figures.get(i).copied().unwrap_or_default()
}

fn width_at(widths: [usize; 3], i: usize) -> usize {
    widths.get(i).copied().unwrap_or_default()
}

fn head(out: &mut Text, page: &Page) {
    let room = WIDTH.saturating_sub(PARTIES_WIDTH).saturating_sub(GAP);
    let title = format!("{} {}", page.title.to_uppercase(), page.number);
    let seller = block_lines(&page.seller, PARTIES_WIDTH);
    let label_width = page.facts.iter().map(|(label, _)| label.width()).max().unwrap_or_default();
    let mut facts = wrap(&title, room);
    let room = room.saturating_sub(label_width).saturating_sub(GAP);
    for (label, value) in &page.facts {
        for (i, part) in wrap(value, room).iter().enumerate() {
            let label = if i == 0 { label } else { "" };
            facts.push(format!("{}{}{part}", left(label, label_width), " ".repeat(GAP)));
        }
    }
    let mut parties = seller;
    parties.push(String::new());
    parties.push(page.phrases.billed_to.to_owned());
    parties.extend(
        block_lines(&page.customer, PARTIES_WIDTH.saturating_sub(INDENT.len()))
            .iter()
            .map(|line| format!("{INDENT}{line}")),
    );
    for i in 0..parties.len().max(facts.len()) {
        let party = parties.get(i).map_or("", String::as_str);
        let fact = facts.get(i).map_or("", String::as_str);
        out.push(&format!("{}{}{fact}", left(party, PARTIES_WIDTH), " ".repeat(GAP)));
    }
    out.push("");
}

fn block_lines(block: &Block, width: usize) -> Vec<String> {
    std::iter::once(&block.name)
        .chain(&block.lines)
        .filter(|line| !line.is_empty())
        .flat_map(|line| wrap(line, width))
        .collect()
}

fn table(out: &mut Text, page: &Page) {
    let phrases = page.phrases;
    let titles = [phrases.quantity, phrases.unit_amount, phrases.amount];
    let widths = widths(page, titles);
    out.row(&widths, &Cells { indent: 0, description: phrases.description, figures: titles });
    out.rule("─");
    for section in &page.sections {
        out.push(&section.heading.to_uppercase());
        // Rows of several lines are set apart, a list of fees is not.
        let spaced = section.rows.iter().any(|row| !row.proof.is_empty() || !row.details.is_empty());
        for item in &section.rows {
            row(out, &widths, item);
            if spaced {
                out.push("");
            }
        }
        if !spaced {
            out.push("");
        }
    }
    out.rule("─");
    out.row(&widths, &Cells { indent: 0, description: phrases.subtotal, figures: ["", "", &page.subtotal] });
    out.row(
        &widths,
        &Cells { indent: 0, description: &page.total_label.to_uppercase(), figures: ["", "", &page.total] },
    );
    for mention in &page.mentions {
        out.push("");
        for part in wrap(mention, WIDTH) {
            out.push(&part);
        }
    }
}

fn row(out: &mut Text, widths: &Widths, row: &Row) {
    let figures = [row.quantity.as_str(), &row.unit_amount, &row.amount];
    out.row(widths, &Cells { indent: 0, description: &row.name, figures });
    for note in &row.notes {
        out.row(widths, &Cells { indent: 2, description: note, figures: [""; 3] });
    }
    for detail in &row.details {
        let figures = [detail.quantity.as_str(), &detail.unit_amount, &detail.amount];
        out.row(widths, &Cells { indent: 4, description: &detail.name, figures });
    }
    if !row.proof.is_empty() {
        for part in wrap(&row.proof, WIDTH.saturating_sub(INDENT.len())) {
            out.push(&format!("{INDENT}{part}"));
        }
    }
}

/// Every figure's column is as wide as its widest figure, within limits; the description has the rest.
fn widths(page: &Page, titles: [&str; 3]) -> Widths {
    let mut figures = [0_usize; 3];
    let mut widen = |cells: [&str; 3]| {
        for (width, cell) in figures.iter_mut().zip(cells) {
            *width = (*width).max(cell.width()).min(FIGURE_WIDTH_MAX);
        }
    };
    widen(titles);
    widen(["", "", &page.subtotal]);
    widen(["", "", &page.total]);
    for row in page.sections.iter().flat_map(|section| &section.rows) {
        widen([&row.quantity, &row.unit_amount, &row.amount]);
        for detail in &row.details {
            widen([&detail.quantity, &detail.unit_amount, &detail.amount]);
        }
    }
    let taken = figures.iter().fold(0_usize, |taken, width| taken.saturating_add(*width).saturating_add(GAP));
    Widths { description: WIDTH.saturating_sub(taken), figures }
}

/// Breaks at spaces, and inside a word only where it is wider than the line. Control characters become spaces: a name
/// must not move a terminal's cursor.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.width() <= width && !text.contains("  ") {
        return vec![text];
    }
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let gap = usize::from(!line.is_empty());
        if line.width().saturating_add(gap).saturating_add(word.width()) <= width {
            line.extend(repeat_n(' ', gap));
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for c in word.chars() {
            let mut longer = line.clone();
            longer.push(c);
            if longer.width() > width && !line.is_empty() {
                lines.push(std::mem::replace(&mut line, c.to_string()));
            } else {
                line = longer;
            }
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

fn left(text: &str, width: usize) -> String {
    let mut padded = text.to_owned();
    padded.extend(repeat_n(' ', width.saturating_sub(text.width())));
    padded
}

fn right(text: &str, width: usize) -> String {
    let mut padded: String = repeat_n(' ', width.saturating_sub(text.width())).collect();
    padded.push_str(text);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps() {
        for (text, width, expected) in [
            ("", 5, vec![""]),
            ("one two three", 8, vec!["one two", "three"]),
            ("abcdefgh", 3, vec!["abc", "def", "gh"]),
            ("x abcdefgh y", 4, vec!["x", "abcd", "efgh", "y"]),
            ("日本語 x", 4, vec!["日本", "語 x"]),
            ("a\u{1b}[2Jb\nc", 20, vec!["a [2Jb c"]),
        ] {
            assert_eq!(wrap(text, width), expected, "{text}");
        }
    }
}

//! A document as one HTML file that needs nothing else: styles are inside, nothing is fetched, and it prints on A4.
//!
//! Owns: escaping. The template (templates/invoice.html) escapes every value by default; the two values that are not plain
//! text are made here. Does not own: what is said (`page`).

use std::fmt::Write as _;

use askama::Template;

use crate::invoice::Invoice;
use crate::page::{Page, Row};

/// Longer details may be broken over pages.
const UNBROKEN_DETAILS_MAX: usize = 12;
/// From so many decimals on, they stand in groups of three.
const GROUPED_DECIMALS_MIN: usize = 5;

#[derive(Template)]
#[template(path = "invoice.html")]
struct Document<'a> {
    page: &'a Page,
}

impl Document<'_> {
    /// What stands at the top of every printed page but the first, as a CSS string.
    fn running_head(&self) -> String {
        css_string(&[self.page.seller.name.as_str(), self.page.title, &self.page.number].join("  ·  "))
    }

    fn page_label(&self) -> String {
        css_string(&format!("{} ", self.page.phrases.page))
    }

    fn figure(text: &str) -> String {
        figure_html(text)
    }

    fn breaks(row: &Row) -> &'static str {
        if row.details.len() > UNBROKEN_DETAILS_MAX { "item long" } else { "item" }
    }
}

/// The document as HTML.
pub fn to_html(invoice: &Invoice) -> String {
    // Rendering writes into a String and calls nothing that fails.
    Document { page: &Page::new(invoice) }.render().expect("a document always renders")
}

/// A CSS string literal: everything but ASCII letters and digits as an escape, so it can end neither the string nor the
/// style element.
fn css_string(text: &str) -> String {
    let mut literal = String::from("\"");
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            literal.push(c);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(literal, "\\{:x} ", u32::from(c));
        }
    }
    literal.push('"');
    literal
}

/// A figure as HTML. Its long decimals are set in groups of three, which changes how they look, not what is copied.
fn figure_html(text: &str) -> String {
    let mut html = String::new();
    let mut rest = text;
    while let Some(mark) = rest.find(['.', ',']) {
        let (before, after) = rest.split_at(mark.saturating_add(1));
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (decimals, tail) = after.split_at(digits);
        html.push_str(&escaped(before));
        if decimals.len() < GROUPED_DECIMALS_MIN {
            html.push_str(decimals);
        } else {
            for group in decimals.as_bytes().chunks(3) {
                let group = group.iter().map(|digit| char::from(*digit)).collect::<String>();
                // Writing to a String cannot fail.
                let _ = write!(html, "<span>{group}</span>");
            }
        }
        rest = tail;
    }
    html.push_str(&escaped(rest));
    html
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn css_strings_cannot_be_left() {
        assert_eq!(css_string("a\"</style>\\"), r#""a\22 \3c \2f style\3e \5c ""#);
    }

    #[test]
    fn figures() {
        for (text, expected) in [
            ("$1,234.56", "$1,234.56"),
            ("$0.0002", "$0.0002"),
            ("$0.000002", "$0.<span>000</span><span>002</span>"),
            ("0,0000015 €", "0,<span>000</span><span>001</span><span>5</span> €"),
            ("$0.000002 per 1,000", "$0.<span>000</span><span>002</span> per 1,000"),
            ("<b>&", "&lt;b&gt;&amp;"),
        ] {
            assert_eq!(figure_html(text), expected);
        }
    }
}

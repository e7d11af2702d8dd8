//! Aligned text tables and grouped digits, for people; fields of CSV, for spreadsheets.

/// Prints rows with the first column to the left and the others to the right.
pub fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::from(" ");
        for (i, cell) in row.iter().enumerate() {
            let width = widths[i];
            line.push_str(&if i == 0 { format!(" {cell:<width$}") } else { format!("  {cell:>width$}") });
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `1234567` as `1,234,567`; a fraction stays as it is.
pub fn grouped(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    let (integer, fraction) = digits.find('.').map_or((digits, ""), |point| digits.split_at(point));
    let mut text = String::from(sign);
    for (i, digit) in integer.chars().enumerate() {
        if i > 0 && (integer.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + fraction
}

/// A text as a field of CSV, always in quotes.
pub fn csv_field(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_digits() {
        for (number, expected) in
            [("0", "0"), ("999", "999"), ("1000", "1,000"), ("-1234567.8901", "-1,234,567.8901"), ("12", "12")]
        {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn aligns_columns() {
        let rows = vec![vec!["a".into(), "1".into(), "xx".into()], vec!["long".into(), "22".into()]];
        assert_eq!(aligned(&rows), "  a      1  xx\n  long  22\n");
    }
}

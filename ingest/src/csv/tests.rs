//! Where rows end, and what stands in their fields.

use proptest::prelude::*;

use super::*;

const DIALECT: CsvDialect = CsvDialect { delimiter: b',', quote: b'"', encoding: TextEncoding::Utf8 };

/// All rows of `text`, split one after another: fields as text, and the fault.
fn rows(text: &[u8]) -> Vec<(Vec<String>, Option<RowFault>)> {
    let (mut at, mut found, mut fields) = (0, Vec::new(), Vec::new());
    while at < text.len() {
        let row = split_row(text, at, DIALECT, &mut fields);
        let cells = fields.iter().map(|field: &Field| {
            let mut cell = Vec::new();
            field.append(text, DIALECT.quote, &mut cell);
            String::from_utf8_lossy(&cell).into_owned()
        });
        found.push((cells.collect(), row.fault));
        at = row.next;
    }
    found
}

#[test]
fn fields_of_rows() {
    let table: [(&str, &[&[&str]]); 13] = [
        ("a,b\nc,d\n", &[&["a", "b"], &["c", "d"]]),
        ("a,b\r\nc,d", &[&["a", "b"], &["c", "d"]]),
        ("a,b\r\nc,d\r", &[&["a", "b"], &["c", "d"]]),
        (",\n,,\n", &[&["", ""], &["", "", ""]]),
        ("\"a,b\",c\n", &[&["a,b", "c"]]),
        ("\"a\nb\",\"c\r\nd\"\r\ne,f\n", &[&["a\nb", "c\r\nd"], &["e", "f"]]),
        ("\"say \"\"hi\"\"\",\"\"\"\"\n", &[&["say \"hi\"", "\""]]),
        ("\"\",\"\"\n", &[&["", ""]]),
        ("5\" pipe,6\"\nnext,row\n", &[&["5\" pipe", "6\""], &["next", "row"]]),
        ("a\rb,c\n", &[&["a\rb", "c"]]),
        ("\"a\"\r\n\"b\"", &[&["a"], &["b"]]),
        ("a\n\nb\n", &[&["a"], &[""], &["b"]]),
        ("0123456789,0123456789abcdef\n", &[&["0123456789", "0123456789abcdef"]]),
    ];
    for (text, expected) in table {
        let found = rows(text.as_bytes());
        assert!(found.iter().all(|(_, fault)| fault.is_none()), "{text:?}");
        let cells: Vec<Vec<String>> = found.into_iter().map(|(cells, _)| cells).collect();
        assert_eq!(cells, expected, "{text:?}");
    }
}

#[test]
fn broken_quotes_are_faults_of_their_row() {
    let table: [(&str, &[Option<RowFault>]); 4] = [
        ("a,\"b\nc\n", &[Some(RowFault::Unclosed(1))]),
        ("\"a\"b,c\nd,e\n", &[Some(RowFault::AfterQuote(0)), None]),
        ("\"a\"b\"c,d\ne\n", &[Some(RowFault::AfterQuote(0)), None]),
        ("a,\"b\" \nc\n", &[Some(RowFault::AfterQuote(1)), None]),
    ];
    for (text, expected) in table {
        let faults: Vec<_> = rows(text.as_bytes()).into_iter().map(|(_, fault)| fault).collect();
        assert_eq!(faults, expected, "{text:?}");
    }
}

#[test]
fn a_dialect_must_tell_fields_apart() {
    let table = [
        (b',', b'"', true),
        (b';', b'\'', true),
        (b'\t', b'"', true),
        (b',', b',', false),
        (b'\n', b'"', false),
        (b',', 0xa7, false),
        (0xa7, b'"', false),
    ];
    for (delimiter, quote, good) in table {
        assert_eq!(check_dialect(CsvDialect { delimiter, quote, ..DIALECT }).is_ok(), good, "{delimiter} {quote}");
    }
}

proptest! {
    /// Cutting, splitting and passing over are one grammar: they end rows at the same bytes.
    #[test]
    fn three_speeds_one_grammar(text in "[ab,\"\r\n]{0,80}") {
        let text = text.as_bytes();
        let (mut ends, mut at, mut state) = (Vec::new(), 0, ScanState::FieldStart);
        while let Some(end) = end_of_row(&mut state, &text[at..], DIALECT) {
            at += end;
            ends.push(at);
            state = ScanState::FieldStart;
        }
        for (count, end) in (1_u64..).zip(&ends) {
            prop_assert_eq!(cut_rows(text, DIALECT, count), Cut { end: *end, records: count });
        }
        let whole = cut_rows(text, DIALECT, u64::MAX);
        prop_assert_eq!(whole, Cut { end: ends.last().copied().unwrap_or(0), records: ends.len() as u64 });
        let (mut split, mut start, mut fields) = (Vec::new(), 0, Vec::new());
        while start < whole.end {
            start = split_row(&text[..whole.end], start, DIALECT, &mut fields).next;
            split.push(start);
        }
        prop_assert_eq!(split, ends);
    }

    /// What is written with quotes reads back.
    #[test]
    fn quoted_cells_read_back(cells in prop::collection::vec("[ab,\"\r\né]{0,12}", 1..5)) {
        let quoted: Vec<String> = cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
        let text = format!("{}\r\n", quoted.join(","));
        prop_assert_eq!(rows(text.as_bytes()), vec![(cells, None)]);
    }
}

//! Rust text with everything blanked that is not code: comments, strings and characters. Lines and columns stay.

/// Blanks comments and the insides of literals with spaces.
pub(super) fn mask(text: &str) -> String {
    let mut rest = text;
    let mut masked = String::with_capacity(text.len());
    let mut before = ' ';
    while let Some(next) = rest.chars().next() {
        let blanked = blanked_len(rest, before);
        let taken = if blanked == 0 { next.len_utf8() } else { blanked };
        let (piece, after) = rest.split_at(taken);
        if blanked == 0 {
            masked.push(next);
        } else {
            masked.extend(piece.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        before = if blanked == 0 { next } else { ' ' };
        rest = after;
    }
    masked
}

/// How many bytes at the start of `rest` are a comment or a literal; 0 for code.
fn blanked_len(rest: &str, before: char) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_len(rest);
    }
    let in_word = before.is_alphanumeric() || before == '_';
    if !in_word && let Some(len) = raw_string_len(rest) {
        return len;
    }
    if rest.starts_with('"') {
        return quoted_len(rest, '"');
    }
    if rest.starts_with('\'') { char_len(rest) } else { 0 }
}

/// Block comments nest.
fn block_comment_len(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += tail.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// `r"..."`, `r#"..."#`, `br"..."`, `cr"..."`.
fn raw_string_len(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r"].into_iter().find(|prefix| rest.starts_with(prefix))?;
    let after = rest.get(prefix.len()..)?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after.get(hashes..)?.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let body_len = body.find(&close).map_or(body.len(), |at| at + close.len());
    Some(prefix.len() + hashes + 1 + body_len)
}

fn quoted_len(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// A character literal; 0 for a lifetime.
fn char_len(rest: &str) -> usize {
    let mut chars = rest.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted_len(rest, '\''),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_stays() {
        for (text, expected) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"x = "a\"b" + 1"#, "x =        + 1"),
            (r##"x = r#"a"b"# + 1"##, "x =          + 1"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("'{' '\\'' b'}' e", "         b    e"),
            ("bar\"s\"", "bar   "),
            ("\"é\n{\" {", "  \n   {"),
            ("/* open", "       "),
        ] {
            assert_eq!(mask(text), expected, "{text}");
        }
    }
}

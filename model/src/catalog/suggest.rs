//! "Did you mean": which of the known names a wrong one was probably meant to be.

/// The known name nearest to `wrong`, if one is near enough to be offered.
pub fn suggestion<'n>(wrong: &str, names: &[&'n str]) -> Option<&'n str> {
    // Long names are no typing slips of one another, and comparing them takes quadratic time.
    const COMPARED_BYTES_MAX: usize = 64;
    if wrong.len() > COMPARED_BYTES_MAX {
        return None;
    }
    let near = wrong.chars().count().div_euclid(3).max(1);
    let distances =
        names.iter().filter(|name| name.len() <= COMPARED_BYTES_MAX).map(|name| (distance(wrong, name), *name));
    distances.filter(|(edits, _)| *edits <= near).min().map(|(_, name)| name)
}

/// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (i, from) in (1_usize..).zip(a.chars()) {
        let mut next = vec![i];
        for (j, to) in b.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX);
            let replaced = cell(&row, j).saturating_add(usize::from(from != *to));
            let inserted = cell(&next, j).saturating_add(1);
            let deleted = cell(&row, j.saturating_add(1)).saturating_add(1);
            let mut least = replaced.min(inserted).min(deleted);
            let before = j.checked_sub(1).and_then(|before| Some((before, *b.get(before)?)));
            if let Some((before, letter)) = before
                && previous == Some(*to)
                && letter == from
            {
                least = least.min(cell(&above, before).saturating_add(1));
            }
            next.push(least);
        }
        above = std::mem::replace(&mut row, next);
        previous = Some(from);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests() {
        let names = ["unit_amount", "flat_amount", "up_to", "per"];
        for (wrong, expected) in [
            ("unit_amont", Some("unit_amount")),
            ("upto", Some("up_to")),
            ("pre", Some("per")),
            ("flat", None),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(suggestion(wrong, &names), expected, "{wrong}");
        }
        assert_eq!((distance("abcd", "acbd"), distance("", "ab"), distance("kitten", "sitting")), (1, 2, 3));
    }
}

//! Texts that were hit by chance: they load or are refused, and nothing breaks.

use proptest::prelude::*;

use super::*;

/// Every key that [`ACME`] does not have.
const EVERYTHING_ELSE: &str = r#"
[accounts.root]
[accounts.child]
parent = "root"
[customers.mover]
account = "child"
plan = "p"
starts_on = "2026-09-14"
ends_on = "2027-01-01"
changes = [{ effective_at = "2026-10-15", plan = "q" }, { effective_at = "2026-11-01T00:00:00Z", plan = "p" }]
overrides = { c = { price = { model = "unit", unit_amount = 3 } } }
[plans.q]
[[plans.q.charges]]
name = "c"
meter = "count"
price = { model = "unit", unit_amount = 1 }
round = { scale = 3, mode = "up" }
[[plans.p.charges]]
name = "c"
meter = "count"
price = { model = "package", size = 5, amount = 1, partial = "prorate" }
conversion = { divide = "1.5", round = "up" }
allowance = { quantity = 5, rollover_max = 10, scope = "charge" }
discount = { rate = "0.10" }
minimum = 5
maximum = "10.50"
late_policy = "credit_or_debit_note"
[[plans.p.charges]]
name = "pool"
meter = "sum"
price = { model = "stairstep", tiers = [{ up_to = 5, flat_amount = 1 }, { flat_amount = 3 }] }
pool = "account"
filter = { region = ["eu"] }
[[plans.p.charges]]
name = "capacity"
meters = { seats = "max", calls = "count" }
price = { model = "capacity", tiers = [{ up_to = { seats = 5 }, flat_amount = 1 }, { flat_amount = 3 }] }
[[plans.p.charges]]
name = "call"
meter = "sum"
price = { model = "increments", connect = 1, steps = [{ up_to = 60, every = 60, unit_amount = 1, per = 60 }, { every = 1, unit_amount = 2 }] }
filter = { region = ["us"] }
[[plans.p.charges]]
name = "level"
meter = "level"
price = { model = "graduated_percentage", tiers = [{ up_to = 5, rate = "0.1" }, { rate = "0.2", flat_amount = 1 }] }
[[plans.p.charges]]
name = "p95"
meter = "p95"
price = { model = "volume", tiers = [{ unit_amount = 1, per = 5 }] }
[[plans.p.charges]]
name = "time of use"
meter = "sum"
filter = { region = ["asia"] }
price = "v"
[prices.v]
model = "schedule"
zone = "Asia/Tokyo"
holidays = ["2026-12-25"]
windows = [{ days = ["mon", "holiday"], from = "20:00", to = "06:00", price = { model = "matrix", cells = [{ when = { size = "s" }, price = { model = "percentage", rate = "0.1", free_events = 3, free_amount = 5, min = 1, max = 2, fixed = 1 } }] } }]
otherwise = { model = "percentage", rate = "0.2" }
[[prices.v.versions]]
effective_at = "2026-10-01"
model = "unit"
unit_amount = 1
[[prices.v.versions]]
effective_at = "2026-12-01T00:00:00+09:00"
mid_period = "split"
model = "unit"
unit_amount = 2
"#;

fn texts() -> [String; 2] {
    [ACME.to_owned(), format!("{METERS}{EVERYTHING_ELSE}")]
}

#[test]
fn all_of_it_loads() {
    for text in texts() {
        load("catalog.toml", &text, &NoFiles).unwrap_or_else(|error| panic!("{error}"));
    }
}

proptest! {
    #[test]
    fn mutated_catalogs_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..24, "[ -~\n]{0,6}"), 1..6),
    ) {
        for text in texts() {
            let mut text: Vec<char> = text.chars().collect();
            for (at, removed, inserted) in &edits {
                let start = at.index(text.len());
                let end = (start + removed).min(text.len());
                text.splice(start..end, inserted.chars());
            }
            let text: String = text.into_iter().collect();
            if let Err(error) = load("catalog.toml", &text, &NoFiles) {
                prop_assert!(!error.problems.is_empty());
            }
        }
    }

    #[test]
    fn deleted_lines_never_panic(lines in prop::collection::btree_set(0_usize..130, 1..8)) {
        for text in texts() {
            let kept = text.lines().enumerate().filter(|(i, _)| !lines.contains(i)).map(|(_, line)| line);
            let text = kept.collect::<Vec<_>>().join("\n");
            if let Err(error) = load("catalog.toml", &text, &NoFiles) {
                prop_assert!(!error.problems.is_empty());
            }
        }
    }

    /// One word of the text replaced by another: legal TOML, mostly, with an odd meaning.
    #[test]
    fn exchanged_words_never_panic(
        swaps in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..4),
    ) {
        for text in texts() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            let words: Vec<(usize, &str)> = text.split(|c| !is_word(c)).filter(|word| !word.is_empty())
                .map(|word| (word.as_ptr().addr() - text.as_ptr().addr(), word)).collect();
            let mut changed = text.clone();
            let mut places: Vec<_> = swaps.iter().map(|(at, from)| (words[at.index(words.len())], words[from.index(words.len())].1)).collect();
            places.sort_by_key(|((start, _), _)| std::cmp::Reverse(*start));
            places.dedup_by_key(|(place, _)| place.0);
            for ((start, word), other) in places {
                changed.replace_range(start..start + word.len(), other);
            }
            if let Err(error) = load("catalog.toml", &changed, &NoFiles) {
                prop_assert!(!error.problems.is_empty());
            }
        }
    }
}

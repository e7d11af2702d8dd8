//! Mistakes in meters.

use expect_test::{Expect, expect};

use super::*;

#[test]
fn mistakes_in_meters_are_explained() {
    check(
        "aggregation = \"sum\"",
        "aggregation = \"summ\"",
        expect![[r#"catalog.toml:7: meters.tokens.aggregation: "summ" is not known here; did you mean "sum"?"#]],
    );
    check(
        "value       = \"data.tokens\"\n",
        "",
        expect![[r#"catalog.toml:5: meters.tokens.value: is missing; add value = "data.tokens""#]],
    );
    check(
        "aggregation = \"count\"",
        "aggregation = \"count\"\nvalue = \"data.x\"",
        expect![[
            r#"catalog.toml:22: meters.calls.value: count has no value: it counts events; leave it out, or use aggregation = "sum""#
        ]],
    );
    check(
        "scale       = 0",
        "scale = 13",
        expect!["catalog.toml:9: meters.tokens.scale: must be from 0 to 12, not 13"],
    );
    check(
        "\"data.tokens\"",
        "\"tokens.count\"",
        expect![[
            r#"catalog.toml:8: meters.tokens.value: "tokens.count" is no path into an event; write "data.tokens.count", or the name of an attribute (lower-case letters and digits)"#
        ]],
    );
    check(
        "\"data.tokens\"",
        "\"data\"",
        expect![[
            r#"catalog.toml:8: meters.tokens.value: "data" is no path into an event; name a field of it, for example "data.tokens""#
        ]],
    );
    check(
        "\"data.tokens\"",
        "\"data..x\"",
        expect![[
            r#"catalog.toml:8: meters.tokens.value: "data..x" is no path into an event; write for example "data.tokens""#
        ]],
    );
    check(
        "filter      = { region",
        "filter      = { regio",
        expect![[
            r#"catalog.toml:11: meters.tokens.filter.regio: the meter has no dimension "regio"; did you mean "region"?"#
        ]],
    );
    check(
        "filter      = { region = [\"eu\", \"us\"] }",
        "filter = { region = \"eu\" }",
        expect![[r#"catalog.toml:11: meters.tokens.filter.region: must be an array, not a text; write ["eu"]"#]],
    );
    check(
        "filter      = { region = [\"eu\", \"us\"] }",
        "filter = { region = [] }",
        expect![
            "catalog.toml:11: meters.tokens.filter.region: allows no value, so that no event passes; name the values that pass"
        ],
    );
    check(
        "[meters.calls]\nevent_type",
        "[meters.calls]\nevent_typ",
        expect![[r#"
        catalog.toml:19: meters.calls.event_type: is missing; add event_type = "llm.completion"
        catalog.toml:20: meters.calls.event_typ: is not a key here; did you mean "event_type"?"#]],
    );
}

/// A meter of the aggregation and keys given one behind the other.
fn check_keys(keys: &str, expected: &Expect) {
    let keys = keys.replace("; ", "\n");
    let text = format!("name = 'n'\ncurrency = 'USD'\n[meters.m]\nevent_type = 'e'\nvalue = 'data.v'\n{keys}\n");
    expected.assert_eq(&load("c.toml", &text, &NoFiles).expect_err(&keys).to_string());
}

#[test]
fn mistakes_in_aggregations_are_explained() {
    for (keys, expected) in [
        (
            "aggregation = 'percentile'",
            expect![[r#"
            c.toml:3: meters.m.rank: is missing; add rank = 95
            c.toml:3: meters.m.slot: is missing; add slot = "5m""#]],
        ),
        (
            "aggregation = 'percentile'; rank = 0; slot = '7m'",
            expect![[r#"
            c.toml:7: meters.m.rank: must be above 0 and at most 100, with at most 12 decimals, not 0; write for example 95 or "99.9"
            c.toml:8: meters.m.slot: "7m" is not a length of time that divides 15 minutes; write for example "1m", "5m", "15m" or "30s""#]],
        ),
        (
            "aggregation = 'percentile'; rank = '100.1'; slot = '900'",
            expect![[r#"
            c.toml:7: meters.m.rank: must be above 0 and at most 100, with at most 12 decimals, not 100.1; write for example 95 or "99.9"
            c.toml:8: meters.m.slot: "900" is not a length of time that divides 15 minutes; write for example "1m", "5m", "15m" or "30s""#]],
        ),
        (
            "aggregation = 'percentile'; rank = '99.1234567890123'; slot = '0s'",
            expect![[r#"
            c.toml:7: meters.m.rank: must be above 0 and at most 100, with at most 12 decimals, not 99.1234567890123; write for example 95 or "99.9"
            c.toml:8: meters.m.slot: "0s" is not a length of time that divides 15 minutes; write for example "1m", "5m", "15m" or "30s""#]],
        ),
        (
            "aggregation = 'percentile'; rank = 9.5; slot = '-1m'; slot_value = 'mean'; fill = 'last'",
            expect![[r#"
            c.toml:7: meters.m.rank: is a TOML float, which is not exact; write it as a string: "9.5"
            c.toml:8: meters.m.slot: "-1m" is not a length of time that divides 15 minutes; write for example "1m", "5m", "15m" or "30s"
            c.toml:9: meters.m.slot_value: "mean" is not known here; use one of sum, max
            c.toml:10: meters.m.fill: "last" is not known here; use one of skip, zero"#]],
        ),
        (
            "aggregation = 'weighted_sum'",
            expect![[r#"
            c.toml:3: meters.m.per: is missing; add per = "hour"
            c.toml:3: meters.m.values: is missing; add values = "level""#]],
        ),
        (
            "aggregation = 'weighted_sum'; values = 'reading'; per = 'month'; carry = 'yes'",
            expect![[r#"
            c.toml:7: meters.m.values: "reading" is not known here; use one of delta, level
            c.toml:8: meters.m.per: "month" is not known here; use one of second, minute, hour, day
            c.toml:9: meters.m.carry: must be true or false, not a text"#]],
        ),
        (
            "aggregation = 'sum'; values = 'delta'",
            expect![[r#"c.toml:7: meters.m.values: "delta" is not known here; use one of reading"#]],
        ),
        (
            "aggregation = 'sum'; wrap_at = 5; reset = true; series = 'x'; estimated = 'data.e'",
            expect![[r#"
            c.toml:7: meters.m.wrap_at: is a key of readings; add values = "reading", or leave it out
            c.toml:8: meters.m.reset: is a key of readings; add values = "reading", or leave it out
            c.toml:9: meters.m.series: is a key of readings; add values = "reading", or leave it out
            c.toml:10: meters.m.estimated: is a key of readings; add values = "reading", or leave it out"#]],
        ),
        (
            "aggregation = 'sum'; values = 'reading'; wrap_at = '0.5'; series = 'x'; estimated = 'e.f'",
            expect!["c.toml:8: meters.m.wrap_at: 0.5 is finer than the meter's scale, which is 0"],
        ),
        (
            "aggregation = 'sum'; values = 'reading'; wrap_at = 0; reset = 1",
            expect![[r#"
            c.toml:8: meters.m.wrap_at: must be above 0, not 0
            c.toml:9: meters.m.reset: must be true or false, not an integer"#]],
        ),
        (
            "aggregation = 'max'; rank = 5; per = 'hour'; series = 'x'; values = 'level'",
            expect![[r#"
            c.toml:7: meters.m.rank: is a key of percentile, not of max; leave it out
            c.toml:8: meters.m.per: is a key of weighted_sum, not of max; leave it out
            c.toml:9: meters.m.series: is a key of sum, not of max; leave it out
            c.toml:10: meters.m.values: is a key of weighted_sum and sum, not of max; leave it out"#]],
        ),
        (
            "aggregation = 'mean'; rank = 5; per = 'hour'",
            expect![[
                r#"c.toml:6: meters.m.aggregation: "mean" is not known here; use one of count, sum, max, min, latest, unique_count, weighted_sum, percentile"#
            ]],
        ),
    ] {
        check_keys(keys, &expected);
    }
}

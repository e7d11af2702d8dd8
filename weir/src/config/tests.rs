//! What overrides what, and how mistakes are told.

use std::io::Write as _;

use expect_test::expect;

use super::*;

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let mut kept = tempfile::NamedTempFile::new().unwrap();
    kept.write_all(file.as_bytes()).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(Some(kept.path()), variables).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n").replace(&kept.path().display().to_string(), "weir.toml")
    })
}

#[test]
fn the_sample_is_the_default() {
    let settings = Config::load(None, std::iter::empty()).unwrap().settings;
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!((settings.tls, settings.log.segment_bytes), (None, 128 << 20));
    assert_eq!(settings.archive.map(|archive| archive.batch_events), Some(1_000_000));
}

#[test]
fn the_file_overrides_the_default_and_the_environment_both() {
    let file = "[server]\nlisten = \"0.0.0.0:1\"\nconnections_max = 7\n[archive]\nmode = \"off\"";
    let variables = [
        ("WEIR_SERVER__LISTEN", "[::1]:2"),
        ("WEIR_LOG__SEGMENT_BYTES", "1MiB"),
        ("WEIR_SERVER", "http://x"),
        ("PATH", "/"),
    ];
    let settings = load(file, &variables).unwrap().settings;
    assert_eq!((settings.server.listen.port(), settings.server.connections_max), (2, 7));
    assert_eq!((settings.log.segment_bytes, settings.archive), (1 << 20, None));
}

#[test]
fn what_is_wrong_is_named() {
    let file = "top = 1\n[server]\nlisen = \"x\"\nlisten = \"here\"\nconnections_max = \"7\"\n[tls]\nkey = \"k.pem\"\n[nothing]\na = 1";
    let variables = [("WEIR_DATA__SHARDS", "many"), ("WEIR_DATA__SHARD", "1"), ("WEIR_ARCHIVE__MODE", "maybe")];
    expect![[r#"
        weir.toml: top is no key of the configuration; `weir config print` shows them all
        weir.toml: server.lisen is no key of the configuration; did you mean server.listen?
        weir.toml: server.connections_max: takes a integer, not a string
        weir.toml: nothing.a is no key of the configuration; `weir config print` shows them all
        WEIR_DATA__SHARD: data.shard is no key of the configuration; did you mean data.shards?
        WEIR_DATA__SHARDS: data.shards: "many" is no whole number
        the file: server.listen: write an address and a port, as 127.0.0.1:8080
        config/default.toml: tls.certificate: a key needs its certificate beside it
        WEIR_ARCHIVE__MODE: archive.mode: "maybe" is none of "on", "off""#]]
    .assert_eq(&load(file, &variables).unwrap_err());
    expect![[r#"
        weir.toml: TOML parse error at line 1, column 8
          |
        1 | [server
          |        ^
        unclosed table, expected `]`
    "#]]
    .assert_eq(&load("[server", &[]).unwrap_err());
}

#[test]
fn printed_it_can_be_read_again() {
    let config = load("[data]\nshards = 4", &[("WEIR_TELEMETRY__LOG_FORMAT", "json")]).unwrap();
    let text = config.to_text();
    assert!(text.contains("# from the file") && text.contains("# from WEIR_TELEMETRY__LOG_FORMAT"), "{text}");
    assert_eq!(load(&text, &[]).unwrap().settings, config.settings);
}

use std::path::PathBuf;

use clap::Parser;

use super::{ByteSize, Layer, Settings};
use crate::logging;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    layer: Layer,
}

fn file(text: &str) -> Result<Layer, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

fn line(arguments: &[&str]) -> Layer {
    Line::parse_from([&["tessera"], arguments].concat()).layer
}

fn resolve(arguments: &[&str], text: &str) -> Result<Settings, String> {
    Settings::resolve(line(arguments), file(text).expect("test data")).map_err(|error| format!("{error:#}"))
}

#[test]
fn defaults_stand_where_nothing_is_said() {
    let settings = resolve(&[], "").expect("valid");
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8640");
    assert_eq!(settings.data, PathBuf::from("data"));
    assert_eq!(settings.tls, None);
    assert_eq!(settings.log_format, logging::Format::Text);
}

#[test]
fn a_flag_wins_over_the_file() {
    let text = "listen = \"0.0.0.0:80\"\nview_cache_bytes = \"1GiB\"\nrecord_cache_bytes = 5";
    let settings = resolve(&["--listen", "127.0.0.1:0"], text).expect("valid");
    assert_eq!(settings.listen.to_string(), "127.0.0.1:0");
    assert_eq!(settings.view_cache_bytes.bytes(), 1 << 30);
    assert_eq!(settings.record_cache_bytes.bytes(), 5);
    let settings = resolve(&["--public-url", "https://shop.example/"], "keep_alive_secs = 20").expect("valid");
    assert_eq!(settings.public_url.map(|url| url.to_string()).as_deref(), Some("https://shop.example"));
    assert_eq!((settings.keep_alive_secs, settings.connections_max), (20, 10_000));
}

#[test]
fn the_feed_has_bounds_that_keep_something() {
    let settings = resolve(&["--feed-secs-max", "3600"], "feed_bytes_max = \"1GiB\"").expect("valid");
    assert_eq!((settings.feed_secs_max, settings.feed_bytes_max.bytes()), (3_600, 1 << 30));
    let settings = resolve(&[], "").expect("valid");
    assert_eq!((settings.feed_secs_max, settings.feed_bytes_max.bytes()), (604_800, 10 << 30));
    for text in ["feed_secs_max = 0", "feed_bytes_max = 0"] {
        let error = resolve(&[], text).expect_err(text);
        assert!(error.contains("it must be"), "{text}: {error}");
    }
}

#[test]
fn unknown_and_wrong_keys_are_refused_by_name() {
    for (text, expected) in [
        ("lisen = \"127.0.0.1:80\"", "unknown field `lisen`"),
        ("[limits]\nbody = 1", "unknown field `limits`"),
        ("log_format = \"xml\"", "unknown variant `xml`"),
        ("view_cache_bytes = \"much\"", "no size: much"),
        ("listen = \"here\"", "invalid socket address"),
        ("public_url = \"shop.example\"", "expected http:// or https:// with a host"),
    ] {
        let error = file(text).expect_err(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (text, expected) in [
        ("tls_cert = \"a.pem\"", "tls_cert is set without tls_key"),
        ("tls_key = \"a.pem\"", "tls_key is set without tls_cert"),
        ("tls_key = \"/nowhere/k\"\ntls_cert = \"/nowhere/c\"", "cannot find TLS file /nowhere/c"),
        ("data = \"\"", "data is empty"),
        ("connections_max = 0", "connections_max is 0"),
        ("keep_alive_secs = 0", "keep_alive_secs is 0"),
        ("request_memory_bytes = \"1MiB\"", "request_memory_bytes is 1MiB: it must be 16MiB or more"),
        ("lane_idle_secs = 0", "lane_idle_secs is 0"),
        ("queue_memory_bytes = \"1MiB\"", "queue_memory_bytes is 1MiB: it must be 16MiB or more"),
        ("answer_memory_bytes = 5", "answer_memory_bytes is 5: it must be 64MiB or more"),
        ("log_level = \"a=b=c\"", "log_level is no level"),
        ("log_level = \"inof\"", "log_level is no level: inof (off, error, warn"),
        ("log_level = \"info,tessera_service=loud\"", "log_level is no level: tessera_service=loud"),
    ] {
        let error = resolve(&[], text).expect_err(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
}

/// What an operator can turn stands in the tables of the guide, with its default: whoever adds a setting says there what it bounds.
#[test]
fn every_setting_is_in_the_guide_with_its_default() {
    let guide = include_str!("../../../../docs/guide/operations.md");
    let (_, operations) = guide.split_once("\n## Run it\n").expect("the part for operators");
    let rows: Vec<&str> = operations.lines().filter(|line| line.starts_with("| ")).collect();
    let command = <Line as clap::CommandFactory>::command();
    for argument in command.get_arguments().filter(|argument| argument.get_id().as_str() != "help") {
        let name = argument.get_id().as_str();
        let named = format!("`{name}`");
        let row = rows.iter().find(|row| row.contains(&named));
        let row = row.unwrap_or_else(|| panic!("no row of the tables says what {named} is"));
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let Some(default) = help.split_once("[default: ").and_then(|(_, rest)| rest.split(']').next()) else {
            continue;
        };
        let spelt = spelt_in_tables(default);
        assert!(
            spelt.iter().any(|spelt| row.contains(spelt)),
            "{named} is {spelt:?} by default, and the table says {row}"
        );
    }
}

/// How a default may stand in a table: numbers have their units apart, and commas.
fn spelt_in_tables(default: &str) -> Vec<String> {
    let first = default.split([',', ' ']).next().unwrap_or_default();
    let digits = first.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = &first[digits.len()..];
    let Ok(number) = digits.parse::<u64>() else { return vec![first.to_owned()] };
    let grouped = match number {
        1_000.. => format!("{},{:03}", number / 1_000, number % 1_000),
        _ => number.to_string(),
    };
    let spelt = [format!("| {grouped} {unit}"), format!(" {grouped} {unit}"), format!("| {grouped} s")];
    spelt.map(|text| text.trim_end().to_owned()).to_vec()
}

#[test]
fn sizes_read_back_as_they_are_written() {
    for (text, bytes) in
        [("0", 0), ("17", 17), ("17B", 17), ("3KiB", 3 << 10), ("256MiB", 256 << 20), ("4 GiB", 4 << 30)]
    {
        let size: ByteSize = text.parse().expect(text);
        assert_eq!(size.bytes(), bytes, "{text}");
        assert_eq!(size.to_string().parse::<ByteSize>().expect(text), size);
    }
    for text in ["", "-1", "1.5GiB", "1KB", "20000000000GiB"] {
        assert!(text.parse::<ByteSize>().is_err(), "{text}");
    }
}

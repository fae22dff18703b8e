//! Tables of what may be set, to what, and what transactions make of it.

use super::*;

fn settings() -> Settings {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    Settings::new("ann", Timeouts { default: minutes(5), longest: minutes(60) })
}

#[test]
fn what_is_set_is_shown() {
    let cases = [
        ("application_name", "psql", "application_name", "psql"),
        ("TIMEZONE", "europe/berlin", "TimeZone", "Europe/Berlin"),
        ("timezone", "utc", "TimeZone", "UTC"),
        ("datestyle", "iso, dmy", "DateStyle", "ISO, DMY"),
        ("datestyle", "ISO", "DateStyle", "ISO, MDY"),
        ("client_encoding", "utf-8", "client_encoding", "UTF8"),
        ("client_encoding", "unicode", "client_encoding", "UTF8"),
        ("statement_timeout", "5000", "statement_timeout", "5s"),
        ("statement_timeout", "5s", "statement_timeout", "5s"),
        ("statement_timeout", "1500", "statement_timeout", "1500ms"),
        ("statement_timeout", "1.5min", "statement_timeout", "90s"),
        ("statement_timeout", "1 h", "statement_timeout", "1h"),
        ("statement_timeout", "0", "statement_timeout", "0"),
        ("extra_float_digits", "3", "extra_float_digits", "3"),
        ("default_transaction_read_only", "TRUE", "default_transaction_read_only", "on"),
        (
            "default_transaction_isolation",
            "Serializable",
            "default_transaction_isolation",
            "serializable",
        ),
        ("my.own", "x", "my.own", "x"),
    ];
    for (name, value, shown, expected) in cases {
        let mut settings = settings();
        settings.set(name, Some(value), false).unwrap();
        assert_eq!(settings.show(name), Ok((shown.into(), expected.into())), "{name} {value}");
    }
}

#[test]
fn what_is_wrong_is_refused() {
    let cases = [
        ("no_such_thing", "1", "42704"),
        ("timezone", "Mars/Olympus", "22023"),
        ("datestyle", "German", "22023"),
        ("client_encoding", "LATIN1", "22023"),
        ("statement_timeout", "5 parsecs", "22023"),
        ("statement_timeout", "2h", "22023"),
        ("statement_timeout", "-1", "22023"),
        ("extra_float_digits", "4", "22023"),
        ("extra_float_digits", "many", "22023"),
        ("jit", "perhaps", "22023"),
        ("server_version", "16", "55P02"),
        ("standard_conforming_strings", "off", "22023"),
    ];
    for (name, value, code) in cases {
        let mut settings = settings();
        let refused = settings.set(name, Some(value), false).map_err(|error| error.code);
        assert_eq!(refused, Err(code), "{name} {value}");
    }
    assert_eq!(settings().show("no.such").map_err(|error| error.code), Err("42704"));
}

#[test]
fn transactions_put_settings_back() {
    let shown = |settings: &Settings| settings.show("jit").map(|(_, value)| value);
    let mut settings = settings();
    settings.set("jit", Some("on"), true).unwrap();
    assert_eq!(shown(&settings), Ok("off".into()), "SET LOCAL outside does nothing");
    settings.begin();
    settings.set("jit", Some("on"), true).unwrap();
    assert_eq!(shown(&settings), Ok("on".into()));
    settings.commit();
    assert_eq!(shown(&settings), Ok("off".into()), "SET LOCAL ends with COMMIT");
    settings.begin();
    settings.set("jit", Some("on"), false).unwrap();
    settings.roll_back();
    assert_eq!(shown(&settings), Ok("off".into()), "ROLLBACK undoes SET");
    settings.begin();
    settings.set("jit", Some("on"), false).unwrap();
    settings.commit();
    assert_eq!(shown(&settings), Ok("on".into()), "COMMIT keeps SET");
    settings.reset_all();
    assert_eq!(shown(&settings), Ok("off".into()));
}

#[test]
fn reset_comes_back_to_what_the_client_began_with() {
    let mut settings = settings();
    settings.begin_with("timezone", "Asia/Tokyo").unwrap();
    settings.set("timezone", Some("UTC"), false).unwrap();
    settings.set("timezone", None, false).unwrap();
    assert_eq!(settings.zone().name(), "Asia/Tokyo");
    assert_eq!(settings.show("session_authorization").unwrap().1, "ann");
}

#[test]
fn no_timeout_is_the_longest() {
    let mut settings = settings();
    assert_eq!(settings.statement_timeout(), Duration::from_secs(300));
    settings.set("statement_timeout", Some("0"), false).unwrap();
    assert_eq!(settings.statement_timeout(), Duration::from_secs(3600));
    settings.set("statement_timeout", Some("250"), false).unwrap();
    assert_eq!(settings.statement_timeout(), Duration::from_millis(250));
}

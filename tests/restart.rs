//! Stops and starts: what is there afterwards, and how the first login is told.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::harness::{Place, until};
use crate::wire::{self, Request};

#[test]
fn the_first_start_tells_a_password_and_a_link_that_work_and_later_ones_tell_none() {
    let place = Place::new("");
    let server = place.start_with(false);
    let line = server.login.clone().expect("the very first start tells how to log in");
    let word = |name: &str| {
        let word = line.split(' ').find_map(|word| word.strip_prefix(name));
        word.unwrap_or_else(|| panic!("no {name} in '{line}'")).to_owned()
    };
    assert_eq!(word("user="), "admin");
    let password = word("password=");
    let url = word("url=");
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    assert_eq!(host, server.http);
    let link = Request::get(&format!("/{path}"));
    let response = server.send(&link);
    assert!(response.header("set-cookie").is_some(), "the link logs in: {}", response.text());
    let again = server.send(&link);
    assert_eq!(again.header("set-cookie"), None, "the link works once");
    let write = |lines: &str| Request::post("/api/v1/write", lines.as_bytes().to_vec());
    let response = server.send(&write("a v=1i 1000").with_password(&password));
    assert_eq!(response.status, 204, "{}", response.text());
    server.stop();

    let server = place.start_with(false);
    assert_eq!(server.login, None, "no second login line");
    let response = server.send(&write("a v=2i 2000").with_password(&password));
    assert_eq!(response.status, 204, "the password is kept");
    server.stop();
}

#[test]
fn l3_after_sigterm_and_start_everything_is_there() {
    const CONFIG: &str = "[[scan_class]]\nname = \"fast\"\nperiod_ms = 100\n\n\
        [[source]]\nname = \"sim\"\ndriver = \"simulator\"\nsettings = {}\n\n\
        [[signal]]\ntag = \"sim/ramp\"\nsource = \"sim\"\nscan_class = \"fast\"\n\
        address = \"ramp(period=60)\"\nunit = \"bar\"\ndescription = \"a ramp\"\n";
    let place = Place::new(CONFIG);
    let server = place.start();
    server.write("a,b=c v=1i,s=\"x\" 1000\na,b=c v=2i 2000");
    server.graphql("mutation { defineSignal(input: { tag: \"by/hand\", unit: \"m\" }) { id } }");
    until("the simulator has sent something", || {
        let sql = "SELECT count(*) FROM samples WHERE signal = 'sim/ramp'";
        (server.sql_value(sql).parse::<u32>().unwrap() > 3).then_some(())
    });
    // The source goes on until the end, so that its last samples are left out.
    let questions = [
        "SELECT signal, time, value, value_int, value_text, sequence, recorded_at FROM samples \
         WHERE signal LIKE 'a/%' ORDER BY 1, 2",
        "SELECT id, tag, unit, description FROM signals ORDER BY id",
        "SELECT name, driver FROM sources",
        "SELECT time, value, quality FROM samples WHERE signal = 'sim/ramp' ORDER BY time LIMIT 3",
    ];
    let before = questions.map(|question| server.sql(question));
    server.stop();
    let server = place.start();
    assert_eq!(server.login, None);
    assert_eq!(questions.map(|question| server.sql(question)), before, "L3");
    let gap = "SELECT count(*) FROM samples WHERE signal = 'sim/ramp' AND status = 'bad'";
    let marks: u32 = server.sql_value(gap).parse().unwrap();
    assert!(marks >= 1, "I2: the time while ParX was off is marked, not drawn through");
    server.stop();
}

#[test]
fn l2_what_was_acknowledged_while_the_server_stopped_is_there() {
    let place = Place::new("");
    let server = place.start();
    let (over, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    let host = server.http.clone();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1_u64.. {
                let request = Request::write(&format!("s n={n}i {n}000"));
                let sent = std::panic::catch_unwind(|| wire::send(&host, &request).status);
                match sent {
                    Ok(204) => acknowledged.store(n, Ordering::SeqCst),
                    _ if over.load(Ordering::SeqCst) => return,
                    _ => over.store(true, Ordering::SeqCst),
                }
            }
        });
        until("fifty writes are acknowledged", || {
            (acknowledged.load(Ordering::SeqCst) > 50).then_some(())
        });
        server.stop();
        over.store(true, Ordering::SeqCst);
    });
    let server = place.start();
    let stored: u64 =
        server.sql_value("SELECT count(*) FROM samples WHERE signal = 's/n'").parse().unwrap();
    let acknowledged = acknowledged.load(Ordering::SeqCst);
    let expected = acknowledged..=acknowledged + 1;
    assert!(expected.contains(&stored), "L2: {acknowledged} acknowledged, {stored} stored");
    server.stop();
}

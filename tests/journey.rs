//! The web app in a real browser, walked through as a person would.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::harness::{PASSWORD, Place, USER, run};

const CONFIG: &str = r#"
[[scan_class]]
name = "fast"
period_ms = 250

[[source]]
name = "plant"
driver = "simulator"
settings = {}

[[signal]]
tag = "plant/boiler/pressure"
source = "plant"
scan_class = "fast"
address = "sine(period=20,low=2,high=6)"
unit = "bar"

[[signal]]
tag = "plant/boiler/temperature"
source = "plant"
scan_class = "fast"
address = "walk(low=60,high=95,period=5)"
unit = "Cel"

[[signal]]
tag = "plant/line/speed"
source = "plant"
scan_class = "fast"
address = "ramp(period=30,low=0,high=1500)"
unit = "{rpm}"

[[signal]]
tag = "plant/line/state"
type = "text"
source = "plant"
scan_class = "fast"
address = "states(period=15,list=idle|running|cleaning)"
"#;

/// Ten minutes before now for the signals that a person will look at.
fn past() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let lines = (now - 600..now).step_by(2).map(|second| {
        let value = (second % 60) as f64 / 10.0;
        let time = second * 1_000_000_000;
        format!(
            "plant,at=boiler pressure={},temperature={} {time}\nplant,at=line speed={} {time}",
            2.0 + value / 2.0,
            60.0 + value * 5.0,
            value * 200.0,
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_person_signs_in_sees_values_move_and_reads_a_trend() {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web");
    assert!(web.join("node_modules").exists(), "the browser's driver is missing: make web");
    let place = Place::new(CONFIG);
    let server = place.start();
    server.write(&past());
    let mut command = server.client(Command::new("node"));
    command.arg("journey/journey.mjs").current_dir(&web);
    command.env("PARX_USER", USER).env("PARX_PASSWORD", PASSWORD);
    println!("{}", run(command));
    server.stop();
}

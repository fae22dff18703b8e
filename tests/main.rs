//! End-to-end tests: the binary `parx` with real devices, brokers, clients and a browser.
//!
//! They go through the doors only and know nothing of the crates' insides. No test asserts how
//! long something takes; deadlines only end what hangs. A warning or an error that the server
//! says and the test did not name fails the test. `make setup` installs the peers.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops at the first thing that is not as it should be, and says so"
)]

mod bench;
mod checked;
mod configuration;
mod faults;
mod flight;
mod folder;
mod harness;
mod history;
mod journey;
mod line_protocol;
mod live;
mod modbus;
mod mqtt;
mod peers;
mod postgres;
mod put;
mod restart;
mod retention;
mod segments;
mod tidy;
mod wire;

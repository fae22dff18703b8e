//! Drivers: how to talk to Modbus devices, MQTT brokers and a simulator.
//!
//! Each protocol has the same four files: settings, address, session, decode. Nothing here decides
//! when to read or what is recorded; that is `parx-ingest`'s, which supervises every driver alike.
//! Beside them stand simulated devices, the other end of the wire for demo, bench and tests.

pub mod device;
mod drivers;
pub mod modbus;
pub mod mqtt;
mod settings;
pub mod simulator;

pub use drivers::AllDrivers;

//! Simulated devices that speak the real protocols over real sockets.
//!
//! They are the other end of the wire for the demo, the bench and the tests, so that none of these
//! needs anything installed. They hold what they are given and answer; what a plant does is not
//! known here, and no driver uses them.

pub mod image;
pub mod modbus;
pub mod mqtt;
mod packet;

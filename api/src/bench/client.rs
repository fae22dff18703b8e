//! Clients of every door, as users have them.

pub mod flight;
pub mod http;
pub mod python;
pub mod subscriber;

//! The verdict held against figures computed elsewhere: exact operating characteristics, simulation tables, and properties that
//! every probe log must have. `benches/verdict.rs` does the same tables in full size.

mod dp;
mod exact;
mod properties;
mod sim;
mod tables;

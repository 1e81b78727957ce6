//! Canisters of one network of the Internet Computer. The revision of a canister is the hash of its module as the network
//! certifies it; a module is put back by an upgrade, and never by a reinstall that nobody asked for. No dfx, no judgment.

mod call;
mod certified;
mod identity;
mod management;
mod names;
mod network;
pub(crate) mod settings;
mod site;
mod wire;

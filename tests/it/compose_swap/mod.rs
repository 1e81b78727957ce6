//! Containers of Compose projects that are replaced, on a real engine: what they keep, and that a service is never left without one.

mod bed;
mod broken;
mod ending;
mod killed;
mod planned;
mod shared;
mod swap;
mod trouble;

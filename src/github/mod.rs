//! GitHub's API as lastgood asks it: runs, jobs, artifacts, ancestry. octocrab is the transport; the objects are read by
//! types of our own, because its models refuse valid answers and lack fields we need.
//! Which run is good is not decided here, and artifact bytes are fetched by `artifact`.

mod client;
mod error;
mod failure;
mod rate;
mod transport;
mod wire;

pub use client::{Client, Download, Limits};
pub use error::{GithubError, Missing};

//! The bed itself: what the other tests rely on is so.

mod kubelet;
mod mischief;
mod workloads;

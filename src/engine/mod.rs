//! The runbook: locate, fetch, verify, plan, permit, apply, watch, report.

pub mod request;

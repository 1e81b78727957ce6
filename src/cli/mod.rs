//! Who asks, for what: argv, `INPUT_*` and the environment. The only reader of either.

pub mod args;
mod help;

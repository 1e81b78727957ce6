//! The config file, and how it, the arguments and the environment become one request.

pub mod de;
pub mod file;
mod file_health;
pub mod node;
pub mod problem;
pub mod units;

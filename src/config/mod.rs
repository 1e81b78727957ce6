//! The config file, and how it, the arguments and the environment become one request.

pub mod check;
mod de;
pub mod defaults;
mod document;
pub mod file;
mod file_health;
mod node;
pub mod problem;
pub mod resolve;
pub mod schema;
pub mod units;

pub use document::Document;

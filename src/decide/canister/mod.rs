//! What the answers of the Internet Computer mean for a canister that is rolled back: pure tables and sums.
//! Nothing is asked here; the asking is done by `targets::canister`.

pub mod conflict;
pub mod cycles;
pub mod mode;
pub mod reject;
pub mod standing;

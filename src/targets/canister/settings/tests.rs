//! Settings that hold, and settings that do not.

//! Keys of every form, and texts that are no keys.

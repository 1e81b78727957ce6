//! What names mean, and names that mean nothing.

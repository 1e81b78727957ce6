//! Directory trees on disk: measured, unpacked, copied. Local files only, no judgment.

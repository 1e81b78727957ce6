//! Floor 1: the whole judgment of the product. Pure and synchronous: no clock, no network, no files.

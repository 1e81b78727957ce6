//! Where releases run. One file per target: observe it, put a revision in place, nothing else.

//! Tells people and machines what happened. A reader of events: it changes and decides nothing.

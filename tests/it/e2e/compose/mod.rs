//! Stories on a real Docker engine: the program as it is installed, against the world's GitHub and services that Compose itself
//! brought up. What is asserted is what an operator would look at: what answers, which image runs, what is left on the engine,
//! the outcome, and the sentence that is read.

mod bad_deploys;
mod built;
mod by_hand;
mod deploys;
mod door;
mod images;
mod jobs;
mod killed;
mod refusals;
mod secrets;
mod services;
mod shop;
mod stack;
mod stopped;
mod two;
mod whole;

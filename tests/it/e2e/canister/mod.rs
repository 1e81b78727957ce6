//! Stories on a double of a replica: the program as it is installed, against the world's GitHub and canisters that really
//! run. What is asserted is what an operator would look at: the certified hash, whether it runs, its counter, the outcome,
//! the sentence that is read, and what was asked of the network.

mod action;
mod deploys;
mod forms;
mod keys;
mod killed;
mod lost;
mod networks;
mod ready;
mod refusals;
mod rejected;
mod rollback;
mod shop;
mod stopped;
mod two;

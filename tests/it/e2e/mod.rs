//! Whole stories: the program as it is installed, with an empty environment and exactly the variables it needs, against
//! the world's GitHub and a service that lives off the release directory. What is asserted is what an operator would
//! look at: what the server holds, what GitHub was asked, the outcome, and the sentence that is read.

mod canister;
mod command_target;
mod compose;
mod deploys;
mod guards;
mod kubernetes;
mod locate;
mod locate_trouble;
mod output;
mod refusals;
mod rollback;
mod stage;
mod usage;
mod watches;

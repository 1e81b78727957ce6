//! Stories on a real API server: the program as it is installed, against the world's GitHub and the test cluster. What is
//! asserted is what an operator would look at: what the workload holds and runs, the outcome, and the sentence that is read.

mod bad_deploys;
mod by_hand;
mod refusals;
mod shop;

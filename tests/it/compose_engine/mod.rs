//! How a Docker engine is reached: over its socket, TLS and ssh, and every way in which that fails. The engine is a double that says who
//! it is; the ssh server is the real one.

mod asked;
mod command;
mod double;
mod ssh;
mod ssh_auth;
mod sshd;
mod tls;
mod unix;

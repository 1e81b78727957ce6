//! The config file, and how it, the arguments and the environment become one request.

//! What is asked of GitHub's REST API, and what its answers mean. Decides nothing.

//! Gets an artifact, checks every promise made of it, and makes it visible only then. Knows nothing of GitHub's API.

//! Reads JAAS files: the text that names the daemon's credentials.

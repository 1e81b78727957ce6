//! How connections are made: TLS roots, the one TLS provider, proxies.

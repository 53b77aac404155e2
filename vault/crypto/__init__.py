"""Keys, sealing, digests and signatures: the only place that speaks to `cryptography`."""

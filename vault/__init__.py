"""Collections Vault: borrowers' records, masked by role, read by purpose, every read logged."""

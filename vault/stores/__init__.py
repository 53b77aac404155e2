"""The four stores (DESIGN 4): sealed records, the index derived from them, wrapped keys, the access log."""

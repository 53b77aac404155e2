"""The report of accesses that a person is handed: the page, the proof in it, and the signature over both."""

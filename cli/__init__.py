"""The doors for people and scripts: `cvault` parses, calls and prints; it decides nothing."""

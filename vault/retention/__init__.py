"""Retention: rules as data, and the verdict on one record on one day (DESIGN 8). Pure."""

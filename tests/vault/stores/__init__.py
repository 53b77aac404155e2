"""Tests of the four stores."""

"""What a caller may see: tokens, policy, masks and selections. Pure: time and facts are passed in."""

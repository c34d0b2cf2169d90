"""What I have: shares, scanner, hashing, index, journal of numbered changes."""

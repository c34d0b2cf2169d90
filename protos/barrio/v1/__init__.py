"""Version 1 of the contract with the central."""

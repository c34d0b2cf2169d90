"""The pages of the window. They speak to the peer through the session only."""

"""Tables of what the local API says, brought up to date by differences."""

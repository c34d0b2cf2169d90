"""Files offered to members, and what members offer: kept, delivered, accepted, followed to the end."""

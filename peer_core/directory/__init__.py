"""What others have: central client, presence, neighbours, publisher, search, locate."""

"""The PServer: waitress with TLS inside, authentication, local API, peer API."""

"""The command line of the headless peer: `barrio-peer`. Speaks the local API of a running peer."""

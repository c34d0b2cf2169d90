"""Several hosts on one machine: network namespaces with real links between them. Linux, as root."""

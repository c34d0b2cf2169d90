"""Makes what is installed: bundles, Debian packages, tarballs, checksums, bills of materials. Linux; no network."""

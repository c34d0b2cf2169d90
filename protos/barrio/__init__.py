"""Messages of the barrio packages."""

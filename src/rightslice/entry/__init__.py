"""Front ends: the command line and the report. Thin; they translate errors once."""

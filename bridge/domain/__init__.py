"""Pure rules: standard library and domain types only. No clock, no I/O, no settings."""

"""Everything here goes in through public entry points."""

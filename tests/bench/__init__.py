"""What does it cost? Benchmarks of real processes, beside a bare server on the same machine. Run by `scripts/bench`."""

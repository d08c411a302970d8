"""The shell: processes, leases, bells, limits, and the drain that wires pure rules to vendors."""

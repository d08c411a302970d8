"""deskbridge between its two edges: what happened, what follows from it, and doing that exactly once.

inbox row -> translate -> decide (pure) -> one transaction: state + effects + row done -> perform -> vendor
"""

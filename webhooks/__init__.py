"""The edge: verify, split, commit, 200. Knows signatures and envelopes, and no business rule."""

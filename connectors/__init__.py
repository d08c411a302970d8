"""Helpdesks behind one small interface. Public, and knows nothing of the bridge."""

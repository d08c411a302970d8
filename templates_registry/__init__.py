"""Message templates: what they are, what Meta says of them, and who may be sent which. Rules alone, no I/O."""

"""Turning files into what WhatsApp takes, in a process of its own: hostile files and native decoders stay in there."""

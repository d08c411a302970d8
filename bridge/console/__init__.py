"""The console: pages for people at `/`, rendered here, complete without JavaScript, entered with a token."""

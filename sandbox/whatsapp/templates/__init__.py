"""Message templates in the sandbox: what may be created, how Meta judges it, how it is sent and shown."""

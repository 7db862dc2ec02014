"""Every write of many rows and every recorded decision: atomic, locked, with its audit event."""

"""The long run of faults: `make torture`."""

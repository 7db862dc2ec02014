"""The guide from a draft to an active study: one step a file, each a page of its own that can be linked."""

"""The PDX model registry as pages: who it came from, what is known of it, where it went."""

"""How the loss is computed at many points at once: shared work, memory, metrics, processes."""

"""The six services. Each imports the kernel, never another service."""

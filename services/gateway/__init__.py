"""gateway: the only public door: REST and its sessions; it alone speaks to clients."""

"""How work runs: the kernel, and the engines that hand units to workers."""

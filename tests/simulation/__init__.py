"""The whole system on a virtual clock: the real code in one process, behind simulated topics and a simulated vault."""

"""Building a mirror from files or tables of sources, and verifying one."""

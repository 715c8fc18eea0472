"""Two runs beside each other: which is better, how sure that is, and where it is not."""

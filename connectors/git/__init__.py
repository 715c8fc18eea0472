"""A git repository where it lies: the files of a ref, told by commit."""

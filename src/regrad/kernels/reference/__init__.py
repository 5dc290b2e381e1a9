"""NumPy kernels, arrays in and arrays out: they say what each op means, and faster ones must equal them."""

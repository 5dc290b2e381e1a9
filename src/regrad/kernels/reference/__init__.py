"""NumPy kernels, arrays in and arrays out: what each op means. Every faster kernel is proved equal to these."""

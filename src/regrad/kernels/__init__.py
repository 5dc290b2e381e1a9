"""Arrays in, arrays out: what the ops compute with. `reference` is NumPy and says what each op means."""

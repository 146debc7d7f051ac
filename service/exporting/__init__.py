"""Labels for other programs: every format is one function in `formats`, and `registry` lists them all."""

"""Labels for other programs: every format is one function in one of these files, and `registry` names them all."""

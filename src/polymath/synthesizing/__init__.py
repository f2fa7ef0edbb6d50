"""polymath synthesize and skills: writers and solvers in, a folder of candidates and chosen samples out."""

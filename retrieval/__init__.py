"""Questions in, permitted and cited answers out: the online walk, one file per stage."""

"""Who may see what: resolve, compile the filter, recheck, explain. The only room that decides access."""

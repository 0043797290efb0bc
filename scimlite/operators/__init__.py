"""Who runs scimlite: the operators of the console, what each may do, how they sign in, and their sessions."""

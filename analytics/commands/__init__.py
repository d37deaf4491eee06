"""One module a verb, with a function of its name. What a verb needs is imported when it runs."""

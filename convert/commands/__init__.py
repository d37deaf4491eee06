"""One file a verb: teacher, train, quantize, pack, evaluate, recipe."""

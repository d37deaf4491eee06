"""One file a verb: teacher, studio, train, quantize, evidence, pack, evaluate, recipe, networks, baselines."""

"""The expression studio: labelled faces and sequences of faces, made from synthetic pictures and a morphable head."""

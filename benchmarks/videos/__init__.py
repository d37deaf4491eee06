"""One drawn clip in many files: is each scored as its plain twin, or refused with what to do?"""

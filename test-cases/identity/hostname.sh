# Every case has a hostname of its own; here it is asked for.
# /// case
# hostname = "alpha"
# [expect]
# stdout = "alpha\n"
# ///
hostname

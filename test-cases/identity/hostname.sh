# /// case
# hostname = "alpha"
# [expect]
# stdout = "alpha\n"
# ///
hostname

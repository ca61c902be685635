# /// case
# [expect]
# signal = "SIGKIL"
# ///
true

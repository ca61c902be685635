# /// case
# [expect]
# signal = "KILL"
# exit = 1
# timeout = true
# ///
true

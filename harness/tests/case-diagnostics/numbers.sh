# /// case
# pids = 0
# cpus = 0
# [expect]
# exit = [0, 256]
# signal = 65
# ///
true

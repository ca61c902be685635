# /// case
# memory = "none"
# pids = "none"
# timeout = "none"
# ///
true

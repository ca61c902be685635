# A case may always ask for less than it would get: `belljar run --sealed` allows that.
# /// case
# memory = "64M"
# timeout = "10s"
# capabilities = "none"
# [expect]
# stdout = "CapEff:\t0000000000000000\n"
# ///
grep CapEff /proc/self/status

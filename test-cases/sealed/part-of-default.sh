# Of the default capabilities `--sealed` allows any part; a list with CAP_SYS_ADMIN it refuses.
# /// case
# capabilities = ["CAP_CHOWN", "CAP_KILL"]
# [expect]
# stdout = "CapBnd:\t0000000000000021\n"
# ///
grep CapBnd /proc/self/status

# Capabilities can be listed one by one.
# /// case
# capabilities = ["CAP_CHOWN", "CAP_NET_BIND_SERVICE"]
# [expect]
# stdout = "CapBnd:\t0000000000000401\n"
# ///
grep CapBnd /proc/self/status

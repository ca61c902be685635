# Set-id programs give nothing: no process of the jar can gain privileges.
# /// case
# [expect]
# stdout.matches = '^NoNewPrivs:\s1$'
# ///
grep NoNewPrivs /proc/self/status

# A case that tests sudo or su says that privileges may be gained.
# /// case
# no-new-privileges = false
# [expect]
# stdout.matches = '^NoNewPrivs:\s0$'
# isolation.no-new-privileges = false
# ///
grep NoNewPrivs /proc/self/status

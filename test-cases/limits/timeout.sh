# A case that takes too long is ended by the clock, which can be what one expects.
# /// case
# timeout = "300ms"
# [expect]
# timeout = true
# ///
sleep 1000

# /// case
# [expect]
# timeout = "10s"
# ///
true

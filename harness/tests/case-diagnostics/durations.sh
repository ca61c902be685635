# /// case
# timeout = "0s"
# ///
true

# /// case
# timeout = "10"
# ///
true

# /// case
# timeout = true
# ///
true

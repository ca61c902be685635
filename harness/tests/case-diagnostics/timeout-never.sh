# /// case
# timeout = "none"
# expect.timeout = true
# ///
true

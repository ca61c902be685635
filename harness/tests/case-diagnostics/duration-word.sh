# /// case
# timeout = "1.5s"
# ///
true

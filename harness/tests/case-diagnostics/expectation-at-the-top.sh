# /// case
# stdout = "alpha\n"
# ///
true

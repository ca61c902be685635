# /// case
# [expect]
# stdout = "a\n"
# ///
true

# /// case
# capabilities = "all"
# ///
true

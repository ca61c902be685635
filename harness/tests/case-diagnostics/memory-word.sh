# /// case
# memory = "lots"
# ///
true

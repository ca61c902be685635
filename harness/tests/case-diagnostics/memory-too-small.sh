# /// case
# memory = "1M"
# ///
true

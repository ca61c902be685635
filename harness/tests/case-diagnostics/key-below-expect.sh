# /// case
# [expect]
# memory = "64M"
# ///
true

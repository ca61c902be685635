# /// case
# memory = 64M
# ///
true

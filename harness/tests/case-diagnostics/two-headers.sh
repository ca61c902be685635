# /// case
# memory = "64M"
# ///
# /// case
# memory = "1G"
# ///
true

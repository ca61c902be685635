# /// case
# memory = "64M"
# memory = "1G"
# ///
true

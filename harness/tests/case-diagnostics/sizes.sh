# /// case
# memory = "1"
# swap = "12X"
# disk = "1K"
# output = "99999999999T"
# ///
true

# /// case
# swap = "none"
# ///
true

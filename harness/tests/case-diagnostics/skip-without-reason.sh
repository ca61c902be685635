# /// case
# skip = true
# ///
true

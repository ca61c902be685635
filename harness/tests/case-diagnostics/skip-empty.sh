# /// case
# skip = " "
# ///
true

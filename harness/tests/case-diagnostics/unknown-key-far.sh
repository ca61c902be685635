# /// case
# colour = "red"
# ///
true

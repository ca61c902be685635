# /// case
# tags = ["slow", "two words"]
# ///
true

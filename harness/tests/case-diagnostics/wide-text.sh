# /// case
# tags = ["höhe", "a b"]
# ///
true

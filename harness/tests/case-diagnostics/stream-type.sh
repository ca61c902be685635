# /// case
# [expect]
# stdout = ["a", "b"]
# stderr = { equals = "x" }
# ///
true

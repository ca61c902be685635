# /// case
# [expect]
# stdout = { matches = ["^ok$", "(open"] }
# ///
true

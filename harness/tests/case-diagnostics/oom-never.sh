# /// case
# memory = "none"
# expect.oom = true
# ///
true

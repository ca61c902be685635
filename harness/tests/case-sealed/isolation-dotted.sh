# /// case
# expect.isolation.network-namespace = false
# ///
true

# /// case
# memory = 64
# swap = true
# env = "A=b"
# args = "one"
# tags = "slow"
# no-new-privileges = "no"
# expect = 0
# stdin = ["x"]
# timeout = 10
# disk = { size = "1G" }
# ///
true

# /// case
# memory = "257M"
# swap = "1M"
# pids = 257
# disk = "129M"
# timeout = "61s"
# output = "2M"
# ///
true

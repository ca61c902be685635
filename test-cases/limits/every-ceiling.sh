# Every ceiling at once. Not every host can set them all, so this one waits for you:
# remove the line with `skip`.
# /// case
# skip = "needs the cpu controller and, for `disk`, a tmpfs with user attributes (Linux 6.6)"
# memory = "64M"
# swap = "0"
# pids = 32
# cpus = 0.5
# disk = "8M"
# timeout = "20s"
# output = "64K"
# [expect]
# stderr.contains = "No space left on device"
# ///
head -c 20M /dev/zero > /tmp/full || true

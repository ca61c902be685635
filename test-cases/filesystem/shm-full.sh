# Attack: what fills the disk gets an error, not the host's memory.
# /// case
# [expect]
# stdout = "64 MiB and no more\n"
# stderr.contains = "No space left on device"
# ///
head -c 1G /dev/zero > /dev/shm/full
(($(stat -c %s /dev/shm/full) <= 64 << 20)) && echo "64 MiB and no more"

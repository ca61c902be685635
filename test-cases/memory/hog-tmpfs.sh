# Files on a tmpfs are memory, and count against the ceiling.
# /// case
# memory = "64M"
# capabilities = ["CAP_SYS_ADMIN"]
# [expect]
# oom = true
# ///
mount -t tmpfs -o size=1G none /mnt
head -c 200M /dev/zero > /mnt/full
sleep 1000

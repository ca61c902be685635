# A child that takes more memory than the ceiling ends its whole jar, not just itself.
# /// case
# memory = "64M"
# [expect]
# oom = true
# ///
head -c 200M /dev/zero | tail > /dev/null
sleep 1000

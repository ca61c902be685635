# A child that takes more memory than the ceiling ends its whole jar.
# /// case
# memory = "64M"
# [expect]
# oom = true
# stdout.not-contains = "survived"
# ///
head -c 200M /dev/zero | tail > /dev/null
echo survived

# Root inside lives in a user namespace: only its own ids mean anything.
# /// case
# [expect]
# stdout = "root inside\n"
# isolation.user-namespace = true
# ///
[[ $(id -u) == 0 ]] && echo "root inside"
# The initial namespace maps all 4294967295 ids to themselves.
read -r _ _ count < /proc/self/uid_map
((count < 4294967295)) || echo "all ids of the host"

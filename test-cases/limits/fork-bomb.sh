# Attack: a fork bomb meets the ceiling on processes, and ends with its jar.
# /// case
# pids = 64
# [expect]
# stdout = "the ceiling held\n"
# ///
bomb() { bomb | bomb & }
exec 3< <(bomb 2>&1)
# bash's complaint that it cannot fork, piecemeal since all of them complain at once.
while read -r -u 3 line; do
    if [[ $line == *fork* || $line == *unavailable* ]]; then
        echo "the ceiling held"
        exit
    fi
done

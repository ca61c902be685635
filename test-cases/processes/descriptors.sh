# Attack: no descriptor leads out of the jar: three pipes and the script, nothing inherited.
# /// case
# [expect.stdout]
# not-contains = "leads out"
# contains = "0 1 2"
# ///
for fd in /proc/$$/fd/*; do
    target=$(readlink "$fd")
    case $target in
        pipe:* | /.belljar/* | /proc/1/fd | '') ;;
        *) echo "$fd leads out to $target" ;;
    esac
done
cd /proc/$$/fd && echo *

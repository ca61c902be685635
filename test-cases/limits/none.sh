# Every ceiling can be given up, by name.
# /// case
# memory = "none"
# swap = "none"
# pids = "none"
# cpus = "none"
# timeout = "none"
# ///
[[ $(cat /proc/self/oom_score_adj) == 0 ]]

# Every ceiling can be given up, by name: more processes run here than the default allows.
# /// case
# memory = "none"
# swap = "none"
# pids = "none"
# cpus = "none"
# timeout = "none"
# ///
for _ in {1..270}; do sleep 60 & done
(($(jobs -p | wc -l) == 270))

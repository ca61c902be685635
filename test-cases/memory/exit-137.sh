# A script that exits with 137 by itself has not run out of memory.
# /// case
# [expect]
# exit = 137
# oom = false
# ///
exit 137

# More than one status can be right.
# /// case
# [expect]
# exit = [0, 3]
# ///
exit $((SECONDS > 1000 ? 0 : 3))

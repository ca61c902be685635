# Nothing of the caller's environment comes through: only these four are set.
# /// case
# [expect]
# stdout = "HOME HOSTNAME LANG PATH\n"
# ///
while IFS='=' read -r -d '' name _; do echo "$name"; done < /proc/1/environ | sort | paste -s -d ' '

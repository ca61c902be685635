# Arguments reach the script one by one, blanks and all.
# /// case
# args = ["first", "with blanks", ""]
# [expect]
# stdout = "<first> <with blanks> <>\n"
# ///
printf '<%s> <%s> <%s>\n' "$@"

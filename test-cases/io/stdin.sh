# What the script reads on its standard input.
# /// case
# stdin = "one\ntwo\n"
# [expect]
# stdout = "2 lines\n"
# ///
mapfile -t lines
echo "${#lines[@]} lines"

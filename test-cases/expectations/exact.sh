# A plain string is compared byte for byte, the last newline included.
# /// case
# [expect]
# stdout = "no newline at the end"
# stderr = "to the other stream\n"
# ///
printf 'no newline at the end'
echo "to the other stream" >&2

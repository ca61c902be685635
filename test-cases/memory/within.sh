# The same amount under a higher ceiling is fine.
# /// case
# memory = "512M"
# [expect]
# stdout = "209715200\n"
# ///
head -c 200M /dev/zero | tail -c 200M | wc -c

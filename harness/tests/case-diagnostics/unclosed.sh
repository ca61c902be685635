# /// case
# memory = "64M"
echo hello

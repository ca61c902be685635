# Variables can be set, and those that every script has can be replaced.
# /// case
# env = { GREETING = "hello", HOME = "/home/me" }
# [expect]
# stdout = "hello from /home/me\n"
# ///
echo "$GREETING from $HOME"

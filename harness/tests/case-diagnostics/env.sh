# /// case
# [env]
# "A=B" = "c"
# NUL = "\u0000"
# NUMBER = 3
# ///
true

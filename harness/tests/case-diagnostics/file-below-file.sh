# /// case
# [files]
# "/a" = { content = "" }
# "/a/b" = { content = "" }
# ///
true

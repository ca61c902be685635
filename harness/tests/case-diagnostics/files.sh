# /// case
# [files]
# "relative" = { content = "" }
# "/../up" = { content = "" }
# "/mode" = { content = "", mode = 755 }
# "/modes" = { content = "", mode = "rwx" }
# "/empty" = { mode = "0644" }
# "/from" = { source = "x" }
# "/owner" = { content = "", owner = "me:you" }
# "/number" = 3
# "/" = { content = "" }
# ///
true

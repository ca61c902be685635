# /// case
#memory = "64M"
# ///

# /// case
# hostname = "ÿ"
# ///

# /// case
# [files]
# "/data" = "../../Cargo.toml"
# ///
true

# Cases can be selected by their tags: `belljar run --tag quick`.
# /// case
# tags = ["quick", "example"]
# ///
true

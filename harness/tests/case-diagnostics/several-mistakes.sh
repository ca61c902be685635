#!/bin/bash
# What this case shows.

# /// case
# hostname = 7
# pids = "many"
# [expect]
# exti = 1
# stdout = { contain = "x" }
# ///
true

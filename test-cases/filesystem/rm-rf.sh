# A folder of the image can be removed and made anew; nothing of it is written back.
# /// case
# [expect]
# stdout = "nothing left\n"
# ///
rm -rf /usr/share && mkdir /usr/share
[[ -z $(ls -A /usr/share) ]] && echo "nothing left"

#!/bin/sh
# Makes every secret that the compose files mount, once, in the folder `secrets` beside this file (or the one that is
# given). Nothing is printed. Needs what every Unix has.
#
# Only its owner can enter the folder; the files in it can be read by all, because each container has a user of its own
# and sees those files alone that it is given.
set -eu
umask 077

folder=${1:-$(dirname "$0")/secrets}
if [ -e "$folder" ]; then
  echo "$folder is there already. These are in use: removing them needs new volumes, too" >&2
  exit 1
fi

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
sha256() { printf %s "$1" | { sha256sum 2>/dev/null || shasum -a 256; } | cut -d ' ' -f 1; }
keep() { cat > "$new/$1"; }

new=$folder.new
rm -rf "$new"
mkdir -p "$new"

random | keep identity                # signs Gateway-Identity; the upstream services know it too
random | keep seal
random | keep platform_credential     # the sandbox's; in its place comes the platform's own

random | keep postgres_password       # of the server's owner, for backups and repairs
database=$(random)
printf %s "$database" | keep gateway_password
printf %s "postgresql://gateway:$database@postgres:5432/gateway" | keep database_url

redis=$(random)
replica=$(random)
sentinel=$(random)
printf %s "redis://gateway:$redis@redis:6379/0" | keep redis_url
keep redis_users << END
user default off
user health on nopass resetchannels -@all +ping
user gateway on #$(sha256 "$redis") ~gateway:* &gateway:* +@all -@admin -@dangerous
user replica on #$(sha256 "$replica") resetchannels -@all +psync +replconf +ping
user sentinel on #$(sha256 "$sentinel") allchannels -@all +ping +info +role +publish +subscribe +multi +exec +replicaof +slaveof +config|rewrite +client|setname +client|kill +script|kill
END
keep redis_replication << END
masteruser replica
masterauth $replica
END

# Sentinels have a password among themselves, which the gateway needs to ask them.
asking=$(random)
keep redis_sentinel << END
requirepass $asking
sentinel sentinel-pass $asking
sentinel auth-user gateway sentinel
sentinel auth-pass gateway $sentinel
END
hosts=sentinel-1:26379,sentinel-2:26379,sentinel-3:26379
printf %s "redis+sentinel://gateway:$redis@$hosts/0?master=gateway&sentinel_password=$asking" | keep redis_sentinel_url

chmod 444 "$new"/*
mv "$new" "$folder"

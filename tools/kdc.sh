# A Kerberos realm on loopback with one KDC, for measurements: nothing of the machine's own Kerberos is
# read or changed. To be sourced by a script that has `set -euo pipefail` and ends what start_kdc sets,
# kdc_pid.

REALM=STORM.TEST

# start_kdc DIRECTORY: a realm with the service pacemaker/localhost (pacemaker.keytab, jaas-kerberos.conf)
# and the user nimbus, whose tickets are in the default credential cache of this script's commands.
start_kdc() {
    local home=$1 port tries
    # Debian keeps the administrator's programs where a user's path may not lead.
    PATH=$PATH:/usr/sbin:/sbin
    mkdir -p "$home/replay"
    export KRB5_CONFIG=$home/krb5.conf KRB5_KDC_PROFILE=$home/kdc.conf KRB5CCNAME=$home/nimbus.cache
    export KRB5RCACHEDIR=$home/replay
    port=$(free_port)
    cat >"$KRB5_CONFIG" <<END
[libdefaults]
 default_realm = $REALM
 udp_preference_limit = 1
 dns_lookup_kdc = false
 dns_canonicalize_hostname = false
 rdns = false
[realms]
 $REALM = {
  kdc = 127.0.0.1:$port
 }
[domain_realm]
 localhost = $REALM
END
    cat >"$KRB5_KDC_PROFILE" <<END
[realms]
 $REALM = {
  database_name = $home/realm.db
  key_stash_file = $home/realm.stash
  kdc_listen = ""
  kdc_tcp_listen = 127.0.0.1:$port
  supported_enctypes = aes256-cts-hmac-sha1-96:normal
  max_life = 1d
 }
[logging]
 kdc = FILE:$home/kdc.log
END
    kdb5_util -r $REALM create -s -P master >/dev/null
    administer "addprinc -randkey pacemaker/localhost"
    administer "addprinc -randkey nimbus"
    administer "ktadd -norandkey -k $home/pacemaker.keytab pacemaker/localhost"
    administer "ktadd -norandkey -k $home/nimbus.keytab nimbus"
    krb5kdc -n -r $REALM &
    kdc_pid=$!
    for ((tries = 0; tries < 500; tries++)); do
        ! kinit -k -t "$home/nimbus.keytab" nimbus 2>/dev/null || break
        sleep 0.02
    done
    klist -s || {
        echo "the KDC does not serve:" >&2
        cat "$home/kdc.log" >&2
        return 1
    }
    cat >"$home/jaas-kerberos.conf" <<END
PacemakerServer {
  com.sun.security.auth.module.Krb5LoginModule required
  keyTab="$home/pacemaker.keytab" principal="pacemaker/localhost@$REALM";
};
END
}

administer() { kadmin.local -r $REALM -q "$1" >/dev/null 2>&1; }

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

//! The realm of the login tests does what those tests rely on.

use std::path::Path;

use support::kdc::{FOREIGN_REALM, Kdc, REALM, SERVICE};

/// What `klist` says of a cache.
fn tickets(kdc: &Kdc, cache: &Path) -> String {
    let output = kdc.command("klist").args(["-f", "-c"]).arg(cache).output();
    String::from_utf8(output.expect("klist").stdout).unwrap()
}

#[test]
#[ignore = "needs a KDC: tools/setup test"]
fn users_get_tickets() {
    let kdc = Kdc::start();
    let keytab = kdc.add_with_keytab("nimbus", "nimbus.keytab");
    kdc.add(SERVICE);
    let cache = kdc.log_in("nimbus", &keytab, "nimbus.cache", &["-l", "3s"]);
    kdc.fetch_ticket(&cache, SERVICE);
    let held = tickets(&kdc, &cache);
    assert!(held.contains(&format!("{SERVICE}@{REALM}")), "{held}");
}

#[test]
#[ignore = "needs a KDC: tools/setup test"]
fn users_of_a_foreign_realm_get_tickets() {
    let kdc = Kdc::start_with_foreign_realm();
    let nimbus = format!("nimbus@{FOREIGN_REALM}");
    let keytab = kdc.add_with_keytab(&nimbus, "foreign.keytab");
    kdc.add(SERVICE);
    let cache = kdc.log_in(&nimbus, &keytab, "foreign.cache", &[]);
    kdc.fetch_ticket(&cache, SERVICE);
    let held = tickets(&kdc, &cache);
    assert!(
        held.contains(&format!("Default principal: {nimbus}")),
        "{held}"
    );
    assert!(held.contains(&format!("{SERVICE}@{REALM}")), "{held}");
}

#[test]
#[ignore = "needs a KDC: tools/setup test"]
fn a_clock_that_is_behind_makes_expired_tickets() {
    let mut kdc = Kdc::start();
    let keytab = kdc.add_with_keytab("nimbus", "nimbus.keytab");
    kdc.add(SERVICE);
    kdc.set_clock(-3600);
    let cache = kdc.log_in("nimbus", &keytab, "nimbus.cache", &["-l", "60s"]);
    kdc.fetch_ticket(&cache, SERVICE);
    let valid = kdc.command("klist").args(["-s", "-c"]).arg(&cache).status();
    assert!(
        !valid.expect("klist").success(),
        "{}",
        tickets(&kdc, &cache)
    );
}

//! What libgssapi offers no safe call for: a credential from a given keytab or cache, one setting of
//! krb5.conf, and the choice of krb5.conf. The only file in `auth` that calls C.

#![allow(unsafe_code)] // C functions, and the process's environment

use std::ffi::{CStr, CString, c_char, c_long, c_void};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use libgssapi::credential::Cred;
use libgssapi::error::{Error, MajorFlags};
use libgssapi::oid::{GSS_MECH_KRB5, GSS_NT_KRB5_PRINCIPAL, Oid};
use libgssapi_sys::{
    _GSS_C_INDEFINITE, _GSS_S_BAD_NAME, GSS_C_ACCEPT, GSS_C_INITIATE, GSS_S_COMPLETE, OM_uint32,
    gss_OID_desc, gss_OID_set_desc, gss_acquire_cred_from, gss_buffer_desc, gss_cred_usage_t,
    gss_import_name, gss_key_value_element_desc, gss_key_value_set_desc, gss_name_t,
    gss_release_name,
};

/// A credential that accepts tickets with the keys in `keytab`: those of one principal, or all. The
/// library reads the file again for each ticket, so a replaced keytab takes effect at once.
///
/// The credential is for Kerberos only: tokens of mechanisms that wrap it, such as SPNEGO, fail.
pub(super) fn acquire(keytab: &Path, principal: Option<&str>) -> Result<Cred, Error> {
    let keytab = file(keytab)?;
    acquire_from(&[(c"keytab", &keytab)], principal, GSS_C_ACCEPT)
}

/// A client's credential: the tickets in `cache`.
pub(super) fn of_cache(cache: &Path) -> Result<Cred, Error> {
    let cache = CString::new(cache.as_os_str().as_bytes());
    let cache = cache.map_err(|_| failed(_GSS_S_BAD_NAME, 0))?;
    acquire_from(&[(c"ccache", &cache)], None, GSS_C_INITIATE)
}

/// A client's credential: tickets that the KDC issues for a key in `keytab`. They stay in memory.
pub(super) fn of_client_keytab(keytab: &Path, principal: Option<&str>) -> Result<Cred, Error> {
    let keytab = file(keytab)?;
    let store = [
        (c"client_keytab", &*keytab),
        (c"ccache", c"MEMORY:storm-pacemaker"),
    ];
    acquire_from(&store, principal, GSS_C_INITIATE)
}

fn file(path: &Path) -> Result<CString, Error> {
    let name = [b"FILE:", path.as_os_str().as_bytes()].concat();
    CString::new(name).map_err(|_| failed(_GSS_S_BAD_NAME, 0))
}

/// A credential from the given store, for one principal or for any in the store.
fn acquire_from(
    store: &[(&CStr, &CStr)],
    principal: Option<&str>,
    usage: u32,
) -> Result<Cred, Error> {
    let name = principal.map(Name::import).transpose()?;
    let mut elements: Vec<_> = store
        .iter()
        .map(|(key, value)| gss_key_value_element_desc {
            key: key.as_ptr(),
            value: value.as_ptr(),
        })
        .collect();
    let store = gss_key_value_set_desc {
        count: elements.len() as OM_uint32,
        elements: elements.as_mut_ptr(),
    };
    let mut mechanism = describe(&GSS_MECH_KRB5);
    let mut mechanisms = gss_OID_set_desc {
        count: 1,
        elements: &raw mut mechanism,
    };
    let mut minor = 0;
    let mut credential = ptr::null_mut();
    // SAFETY: all that goes in lives until the call returns, and the library copies what it keeps:
    // it resolves the names of keytab and cache, and duplicates name and mechanism. What comes out
    // has a place of its type; null stands for a result that is not asked for.
    let major = unsafe {
        gss_acquire_cred_from(
            &raw mut minor,
            name.as_ref().map_or(ptr::null_mut(), |name| name.0),
            _GSS_C_INDEFINITE,
            &raw mut mechanisms,
            usage as gss_cred_usage_t,
            &raw const store,
            &raw mut credential,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    if major != GSS_S_COMPLETE {
        return Err(failed(major, minor));
    }
    // SAFETY: it is ours alone, as it comes from the call above and goes nowhere else.
    Ok(unsafe { Cred::from_c(credential) })
}

/// A name in the library's form. libgssapi's own type does not expose its pointer.
struct Name(gss_name_t);

impl Name {
    /// Imports a principal from its text form.
    fn import(principal: &str) -> Result<Name, Error> {
        let mut text = gss_buffer_desc {
            length: principal.len(),
            value: principal.as_ptr().cast_mut().cast(),
        };
        let mut kind = describe(&GSS_NT_KRB5_PRINCIPAL);
        let mut minor = 0;
        let mut name = ptr::null_mut();
        // SAFETY: the text and the kind live until the call returns; the library copies both and
        // writes to neither. Minor and name are places of their types.
        let major =
            unsafe { gss_import_name(&raw mut minor, &raw mut text, &raw mut kind, &raw mut name) };
        match major {
            GSS_S_COMPLETE => Ok(Name(name)),
            _ => Err(failed(major, minor)),
        }
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: the name comes from the library, is released only here, and not used after.
        unsafe { gss_release_name(&raw mut minor, &raw mut self.0) };
    }
}

/// Describes an OID to the library, which only reads what the pointer points to although its type is
/// mutable.
fn describe(oid: &Oid<'static>) -> gss_OID_desc {
    let bytes: &[u8] = oid;
    gss_OID_desc {
        length: bytes.len() as OM_uint32,
        elements: bytes.as_ptr().cast_mut().cast(),
    }
}

fn failed(major: OM_uint32, minor: OM_uint32) -> Error {
    Error {
        major: MajorFlags::from_bits_retain(major),
        minor,
    }
}

/// The value of `default_rcache_name` in section `libdefaults` of krb5.conf, as it is written there.
pub(super) fn configured_replay_cache() -> Option<String> {
    let mut context = ptr::null_mut();
    // SAFETY: a place for a pointer.
    if unsafe { krb5_init_context(&raw mut context) } != 0 {
        return None;
    }
    let mut profile = ptr::null_mut();
    // SAFETY: the context is alive, and there is a place for a pointer.
    let found = unsafe { krb5_get_profile(context, &raw mut profile) } == 0;
    let mut value = ptr::null_mut();
    if found {
        let (section, relation) = (c"libdefaults".as_ptr(), c"default_rcache_name".as_ptr());
        let none = ptr::null();
        // SAFETY: the profile is alive, both names end with a zero byte, null stands for no further
        // name and for no default, and there is a place for a pointer.
        unsafe { profile_get_string(profile, section, relation, none, none, &raw mut value) };
    }
    let text = if value.is_null() {
        None
    } else {
        // SAFETY: what the profile hands out is a string that ends with a zero byte; it is copied
        // here and released below.
        let text = unsafe { CStr::from_ptr(value) };
        Some(text.to_string_lossy().into_owned())
    };
    // SAFETY: each is alive until here, is released once, and is not used after. Releasing a null
    // string does nothing.
    unsafe {
        profile_release_string(value);
        if found {
            profile_abandon(profile);
        }
        krb5_free_context(context);
    }
    text
}

// The library beneath GSSAPI; its types are opaque.
#[link(name = "krb5")]
unsafe extern "C" {
    fn krb5_init_context(context: *mut *mut c_void) -> i32;
    fn krb5_free_context(context: *mut c_void);
    fn krb5_get_profile(context: *mut c_void, profile: *mut *mut c_void) -> i32;
    fn profile_abandon(profile: *mut c_void);
    fn profile_get_string(
        profile: *mut c_void,
        name: *const c_char,
        subname: *const c_char,
        subsubname: *const c_char,
        default: *const c_char,
        value: *mut *mut c_char,
    ) -> c_long;
    fn profile_release_string(value: *mut c_char);
}

/// Makes the library read `path` as its krb5.conf, for the life of the process. Call it before any
/// thread is started.
///
/// ```standalone_crate
/// use std::path::Path;
///
/// storm_pacemaker::auth::kerberos::use_krb5_conf(Path::new("/opt/storm/krb5.conf"));
/// assert_eq!(std::env::var("KRB5_CONFIG").unwrap(), "/opt/storm/krb5.conf");
/// ```
///
/// # Panics
/// The process has another thread, which may be reading the environment.
pub fn use_krb5_conf(path: &Path) {
    if let Ok(threads) = fs::read_dir("/proc/self/task") {
        assert_eq!(
            threads.count(),
            1,
            "krb5.conf must be chosen before threads start"
        );
    }
    // SAFETY: no other thread reads or writes the environment, as there is none.
    unsafe { std::env::set_var("KRB5_CONFIG", path) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic = "krb5.conf must be chosen before threads start"]
    fn krb5_conf_is_not_chosen_beside_other_threads() {
        // The test framework has one.
        use_krb5_conf(Path::new("/no/such/krb5.conf"));
    }
}

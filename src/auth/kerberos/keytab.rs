//! Lists the keys in a keytab: MIT's file format, version 2. It reads names and versions, never the
//! keys, so that the daemon can explain at start what is wrong. The library decrypts tickets, and reads
//! the file itself.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// The name of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Key {
    /// In the library's text form, `first/second@REALM`.
    pub(super) principal: String,
    pub(super) version: u32,
}

/// Bytes that are read at most. No keytab is as large; the limit is for other files.
const MAX_BYTES: u64 = 16 << 20;

/// The keys of the file, in its order.
///
/// # Errors
/// The file cannot be read, or is not a keytab: a sentence for the operator.
pub(super) fn read(path: &Path) -> Result<Vec<Key>, String> {
    let shown = path.display();
    let bytes = read_bytes(path).map_err(|error| {
        format!("cannot read the keytab {shown} (keyTab of section PacemakerServer): {error}")
    })?;
    parse(&bytes).map_err(|why| format!("the file {shown} is not a keytab: {why}"))
}

fn read_bytes(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    // Capacity for the whole file: a vector that grows would leave copies of keys behind.
    let capacity = file.metadata()?.len().min(MAX_BYTES) as usize + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(capacity as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A list of keys for a message.
pub(super) fn list(keys: &[Key]) -> String {
    const MAX_NAMES: usize = 10;
    let mut names: Vec<String> = Vec::new();
    for Key { principal, version } in keys {
        let name = format!("{principal} (version {version})");
        // A principal has one key for each encryption type.
        if !names.contains(&name) {
            names.push(name);
        }
    }
    match names.len() {
        0 => "no keys".to_owned(),
        count if count > MAX_NAMES => {
            format!(
                "keys for {} and {} more",
                names[..MAX_NAMES].join(", "),
                count - MAX_NAMES
            )
        }
        _ => format!("keys for {}", names.join(", ")),
    }
}

fn parse(bytes: &[u8]) -> Result<Vec<Key>, &'static str> {
    const CUT: &str = "it ends in the middle of an entry";
    let mut rest = match bytes {
        [5, 2, rest @ ..] => rest,
        [5, 1, ..] => {
            return Err("it has format version 1, which is obsolete; version 2 is needed");
        }
        _ => return Err("it must begin with the bytes 5 and 2"),
    };
    let mut keys = Vec::new();
    while !rest.is_empty() {
        let (size, after) = rest.split_first_chunk::<4>().ok_or(CUT)?;
        let size = i32::from_be_bytes(*size);
        if size == 0 {
            break;
        }
        let length = usize::try_from(size.unsigned_abs()).map_err(|_| CUT)?;
        // A negative size marks the hole that a deleted entry left. A hole at the end may be cut short.
        if size < 0 {
            rest = after.get(length..).unwrap_or_default();
            continue;
        }
        let (entry, after) = after.split_at_checked(length).ok_or(CUT)?;
        keys.push(parse_entry(entry).ok_or("an entry is too short for its contents")?);
        rest = after;
    }
    Ok(keys)
}

fn parse_entry(entry: &[u8]) -> Option<Key> {
    let mut entry = entry;
    let parts = take::<2>(&mut entry).map(u16::from_be_bytes)?;
    let realm = take_counted(&mut entry)?;
    let mut principal = String::new();
    for index in 0..parts {
        if index > 0 {
            principal.push('/');
        }
        escape(take_counted(&mut entry)?, &mut principal);
    }
    principal.push('@');
    escape(realm, &mut principal);
    let _name_type = take::<4>(&mut entry)?;
    let _time = take::<4>(&mut entry)?;
    let [low] = take::<1>(&mut entry)?;
    let _encryption = take::<2>(&mut entry)?;
    let _key = take_counted(&mut entry)?;
    // Versions above 255 are in a field of their own, which older programs do not write.
    let version = match take::<4>(&mut entry).map(u32::from_be_bytes) {
        None | Some(0) => u32::from(low),
        Some(version) => version,
    };
    Some(Key { principal, version })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

fn take_counted<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take::<2>(bytes).map(u16::from_be_bytes)?;
    let (taken, rest) = bytes.split_at_checked(usize::from(length))?;
    *bytes = rest;
    Some(taken)
}

/// Writes a component of a principal as the library does (`krb5_unparse_name`).
fn escape(part: &[u8], out: &mut String) {
    for c in String::from_utf8_lossy(part).chars() {
        match c {
            '/' | '@' | '\\' => out.extend(['\\', c]),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\x08' => out.push_str("\\b"),
            '\0' => out.push_str("\\0"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use support::says::{assert_says, names};

    use super::*;

    fn counted(bytes: &[u8]) -> Vec<u8> {
        let length = bytes.len() as u16;
        [&length.to_be_bytes(), bytes].concat()
    }

    fn entry(parts: &[&str], low: u8, high: &[u8]) -> Vec<u8> {
        let mut entry = (parts.len() as u16).to_be_bytes().to_vec();
        entry.extend(counted(b"R.TEST"));
        for part in parts {
            entry.extend(counted(part.as_bytes()));
        }
        entry.extend([0, 0, 0, 1, 0x60, 0, 0, 0, low, 0, 18]);
        entry.extend(counted(&[0xA5; 32]));
        entry.extend(high);
        let size = entry.len() as i32;
        [&size.to_be_bytes(), &entry[..]].concat()
    }

    fn keytab(entries: &[&[u8]]) -> Vec<u8> {
        [&[5, 2], &entries.concat()[..]].concat()
    }

    #[test]
    fn names_and_versions() {
        let hole = [&(-6i32).to_be_bytes()[..], &[0xFF; 6]].concat();
        let file = keytab(&[
            &entry(&["pacemaker", "a.b"], 2, &[]),
            &hole,
            &entry(&["x/y", "@\\"], 44, &300u32.to_be_bytes()),
            &entry(&["pacemaker"], 7, &[0; 4]),
            &entry(&["pacemaker"], 7, &[0, 0, 0, 7, 0, 0, 0, 9]),
        ]);
        let keys = parse(&file).unwrap();
        let keys: Vec<_> = keys
            .iter()
            .map(|key| (&*key.principal, key.version))
            .collect();
        let expected = [
            ("pacemaker/a.b@R.TEST", 2),
            (r"x\/y/\@\\@R.TEST", 300),
            ("pacemaker@R.TEST", 7),
            ("pacemaker@R.TEST", 7),
        ];
        assert_eq!(keys, expected);
        assert_eq!(parse(&[5, 2]), Ok(vec![]));
        // A size of zero is the end.
        assert_eq!(parse(&keytab(&[&[0; 4], b"whatever"])), Ok(vec![]));
    }

    #[test]
    fn what_is_not_a_keytab() {
        for file in [
            &b""[..],
            b"\x05",
            b"\x05\x01",
            b"-----BEGIN",
            b"\x05\x03\0\0\0\0",
        ] {
            assert!(parse(file).is_err(), "{file:?}");
        }
        let file = keytab(&[&entry(&["pacemaker", "a.b"], 2, &[])]);
        for end in 3..file.len() {
            assert!(parse(&file[..end]).is_err(), "{end}");
        }
        // Any byte may be any other: no panic, and no more keys than sizes.
        for index in 0..file.len() {
            for byte in 0..=255 {
                let mut file = file.clone();
                file[index] = byte;
                let _ = parse(&file);
            }
        }
    }

    #[test]
    fn lists_are_short_and_without_duplicates() {
        assert_eq!(list(&[]), "no keys");
        let key = |index| Key {
            principal: format!("s/{index}@R"),
            version: 3,
        };
        let of_two = list(&[key(1), key(1), key(2)]);
        for principal in ["s/1@R", "s/2@R"] {
            assert_eq!(of_two.matches(principal).count(), 1, "{of_two}");
        }
        assert_eq!(of_two.matches("version 3").count(), 2, "{of_two}");
        let many: Vec<_> = (0..13).map(key).collect();
        let shortened = list(&many);
        assert_says(&shortened, "", &["s/0@R", "s/9@R", "3 more"]);
        assert!(!names(&shortened, "s/10@R"), "{shortened}");
    }
}

//! Reads whole files: only regular ones, and none that is too large. A reload reads while the daemon runs,
//! and a pipe without a writer would block it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::limits::CONFIG_FILE_BYTES;

/// The content of a file, wiped when it is dropped: it may be a secret.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let text = |error: io::Error| error.to_string();
    // Before opening it: to open a pipe is to wait for its other end.
    let kind = std::fs::metadata(path).map_err(text)?;
    if !kind.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        kind.len().min(CONFIG_FILE_BYTES) as usize
    ));
    File::open(path)
        .map_err(text)?
        .take(CONFIG_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(text)?;
    if bytes.len() as u64 > CONFIG_FILE_BYTES {
        return Err(format!(
            "it has more than {CONFIG_FILE_BYTES} bytes, the limit"
        ));
    }
    Ok(bytes)
}

/// The content of a file that must be UTF-8.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    let mut bytes = read(path)?;
    String::from_utf8(std::mem::take(&mut *bytes)).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line} is not valid UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use support::says::assert_says;

    use super::*;

    #[test]
    fn only_regular_files_of_a_reasonable_size_are_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        std::fs::write(&path, "text").unwrap();
        assert_eq!(read(&path).unwrap()[..], *b"text");
        File::create(&path)
            .unwrap()
            .set_len(CONFIG_FILE_BYTES + 1)
            .unwrap();
        let limit = CONFIG_FILE_BYTES.to_string();
        assert_says(&read(&path).unwrap_err(), "", &["more than", &limit]);
        for odd in [home.path(), Path::new("/dev/zero")] {
            assert_says(&read(odd).unwrap_err(), "", &["not a regular file"]);
        }
        assert!(
            read(&home.path().join("nothing"))
                .unwrap_err()
                .contains("No such file")
        );
    }
}

//! How files are read: whole, ordinary ones only, and none that is too large. A reload reads while the
//! daemon runs, and a pipe that nobody writes to would hold it up.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::limits::CONFIG_FILE_BYTES;

/// What a file holds; wiped when it goes, as it may be a secret.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let text = |error: io::Error| error.to_string();
    // Before it is opened: to open a pipe is to wait for its other end.
    let kind = std::fs::metadata(path).map_err(text)?;
    if !kind.is_file() {
        return Err("it is no ordinary file".to_owned());
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
        return Err(format!("it has more than {CONFIG_FILE_BYTES} bytes"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ordinary_files_of_a_size_that_makes_sense() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        std::fs::write(&path, "text").unwrap();
        assert_eq!(read(&path).unwrap()[..], *b"text");
        File::create(&path)
            .unwrap()
            .set_len(CONFIG_FILE_BYTES + 1)
            .unwrap();
        assert!(read(&path).unwrap_err().starts_with("it has more than"));
        for odd in [home.path(), Path::new("/dev/zero")] {
            assert_eq!(read(odd).unwrap_err(), "it is no ordinary file");
        }
        assert!(
            read(&home.path().join("nothing"))
                .unwrap_err()
                .contains("No such file")
        );
    }
}

//! Pictures that lie beside the broker: a message names a file below `queue.blob_folder` (a volume that publishers and workers share) in its header
//! `blob`, and its own body is empty. What is named comes from outside: only plain names below the folder are read, links out of it
//! are not followed.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::message::MAX_BODY;

/// Longest name.
const MAX_NAME: usize = 512;

/// Why there are no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Never: a stable code.
    Refused(&'static str),
    /// Perhaps later: the folder cannot be read now.
    Away,
}

/// Reads a blob. Blocks.
pub(super) fn read(folder: Option<&Path>, name: &str) -> Result<Vec<u8>, Missing> {
    let folder = folder.ok_or(Missing::Refused("blob_unsupported"))?;
    if !is_plain(name) {
        return Err(Missing::Refused("blob_name_malformed"));
    }
    // A volume that is not mounted is no missing blob.
    let root = folder.canonicalize().map_err(|_| Missing::Away)?;
    let path = root.join(name).canonicalize().map_err(|error| told(&error))?;
    if !path.starts_with(&root) {
        return Err(Missing::Refused("blob_name_malformed"));
    }
    read_capped(&path)
}

/// Parts of letters, digits, `-`, `_` and `.`, divided by `/`; none begins with a dot.
fn is_plain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(allowed);
    name.len() <= MAX_NAME && name.split('/').all(is_part)
}

fn read_capped(path: &PathBuf) -> Result<Vec<u8>, Missing> {
    let file = File::open(path).map_err(|error| told(&error))?;
    let about = file.metadata().map_err(|error| told(&error))?;
    if !about.is_file() {
        return Err(Missing::Refused("blob_name_malformed"));
    }
    let mut bytes = Vec::new();
    let most = MAX_BODY as u64 + 1;
    file.take(most).read_to_end(&mut bytes).map_err(|error| told(&error))?;
    if bytes.len() > MAX_BODY { Err(Missing::Refused("message_too_large")) } else { Ok(bytes) }
}

fn told(error: &io::Error) -> Missing {
    if error.kind() == io::ErrorKind::NotFound { Missing::Refused("blob_missing") } else { Missing::Away }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i1_only_plain_names_below_the_folder_are_read() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "secret").unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("2026/01")).unwrap();
        std::fs::write(folder.path().join("2026/01/a-b_c.jpg"), b"\xFF\xD8").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), folder.path().join("link")).unwrap();
        let from = |name: &str| read(Some(folder.path()), name);
        assert_eq!(from("2026/01/a-b_c.jpg"), Ok(b"\xFF\xD8".to_vec()));
        for name in [
            "",
            ".",
            "..",
            "../secret",
            "2026/../../x",
            "/etc/passwd",
            "a//b",
            "a b",
            "s3://x",
            "2026/.hidden",
            "link",
            "2026",
        ] {
            assert_eq!(from(name), Err(Missing::Refused("blob_name_malformed")), "{name}");
        }
        assert_eq!(from(&"a".repeat(MAX_NAME + 1)), Err(Missing::Refused("blob_name_malformed")));
        assert_eq!(from("2026/01/none.jpg"), Err(Missing::Refused("blob_missing")));
        assert_eq!(read(None, "2026/01/a-b_c.jpg"), Err(Missing::Refused("blob_unsupported")));
        assert_eq!(read(Some(&folder.path().join("not-mounted")), "a.jpg"), Err(Missing::Away));
    }
}

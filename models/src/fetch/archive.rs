//! Wanted files out of wheels (zip) and npm packages (tar, gzip). What is not wanted is never written, so paths that
//! lead elsewhere, links and devices in an archive do nothing; sizes are limited while unpacking.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use super::io_error;
use crate::{ModelError, convert::Wanted};

/// Most bytes that an archive may have unpacked in all.
const WHOLE_LIMIT: u64 = 1 << 30;

/// Unpacks the wanted files of a zip archive into `into`.
pub(super) fn unzip(archive: &Path, wanted: &[Wanted], into: &Path) -> Result<(), ModelError> {
    let mut zip = open_zip(archive)?;
    for wanted in wanted {
        let entry = zip.by_name(wanted.entry).map_err(|error| bad(archive, format!("{}: {error}", wanted.entry)))?;
        if !entry.is_file() {
            return Err(bad(archive, format!("{} is not a file", wanted.entry)));
        }
        write(archive, entry, wanted, into)?;
    }
    Ok(())
}

/// Unpacks everything below `prefix` of a zip archive into `into`, keeping paths.
pub(super) fn unzip_tree(archive: &Path, prefix: &str, into: &Path) -> Result<(), ModelError> {
    let mut zip = open_zip(archive)?;
    let mut left = WHOLE_LIMIT;
    for index in 0..zip.len() {
        let entry = zip.by_index(index).map_err(|error| bad(archive, error))?;
        // `enclosed_name` refuses paths that lead out.
        let Some(path) = entry.enclosed_name().filter(|path| path.starts_with(prefix) && entry.is_file()) else {
            continue;
        };
        let path = into.join(path);
        let failed = |error: io::Error| io_error(format!("unpack {}", path.display()), &error);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file = File::create(&path).map_err(failed)?;
        let written = io::copy(&mut entry.take(left + 1), &mut file).map_err(failed)?;
        left = left.checked_sub(written).ok_or_else(|| bad(archive, "unpacks to more than 1 GiB"))?;
    }
    Ok(())
}

/// Unpacks the wanted files of a gzip-compressed tar archive into `into`.
pub(super) fn untar(archive: &Path, wanted: &[Wanted], into: &Path) -> Result<(), ModelError> {
    let file = File::open(archive).map_err(|error| io_error(format!("open {}", archive.display()), &error))?;
    let limited = flate2::read::GzDecoder::new(BufReader::new(file)).take(WHOLE_LIMIT);
    let mut tar = tar::Archive::new(limited);
    let mut missing: BTreeSet<&str> = wanted.iter().map(|wanted| wanted.entry).collect();
    for entry in tar.entries().map_err(|error| bad(archive, error))? {
        let entry = entry.map_err(|error| bad(archive, error))?;
        let path = entry.path_bytes();
        let Some(wanted) = wanted.iter().find(|wanted| wanted.entry.as_bytes() == &*path) else { continue };
        if !entry.header().entry_type().is_file() {
            return Err(bad(archive, format!("{} is not a file", wanted.entry)));
        }
        missing.remove(wanted.entry);
        write(archive, entry, wanted, into)?;
        if missing.is_empty() {
            break;
        }
    }
    missing.first().map_or(Ok(()), |entry| Err(bad(archive, format!("{entry} is not in it"))))
}

fn open_zip(archive: &Path) -> Result<zip::ZipArchive<BufReader<File>>, ModelError> {
    let file = File::open(archive).map_err(|error| io_error(format!("open {}", archive.display()), &error))?;
    zip::ZipArchive::new(BufReader::new(file)).map_err(|error| bad(archive, error))
}

fn write(archive: &Path, entry: impl Read, wanted: &Wanted, into: &Path) -> Result<(), ModelError> {
    let path = into.join(wanted.name);
    let failed = |error: io::Error| io_error(format!("unpack {}", path.display()), &error);
    let mut file = File::create(&path).map_err(failed)?;
    let written = io::copy(&mut entry.take(wanted.limit + 1), &mut file).map_err(failed)?;
    if written > wanted.limit {
        return Err(bad(archive, format!("{} unpacks to more than {} bytes", wanted.entry, wanted.limit)));
    }
    Ok(())
}

fn bad(archive: &Path, what: impl std::fmt::Display) -> ModelError {
    ModelError::Io { context: format!("unpack {}", archive.display()), message: what.to_string() }
}

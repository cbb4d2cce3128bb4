//! What loading leaves behind. Backends read a model into the C library's heap or map its weights, lay them out anew for their kernels, and never
//! look at most of what they read again. In one heap these were more than 100 MB with the four default models; of mapped weights they are some
//! 85 MB for each MiniLM that OpenVINO computes.

use std::{
    collections::BTreeSet,
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// Gives back to the system what the C library has free, and the pages of files in `repository` that are mapped to be read only. Returns those
/// files. Some milliseconds.
pub(crate) fn give_back(repository: &Path) -> BTreeSet<PathBuf> {
    trim();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let repository = repository.canonicalize().unwrap_or_else(|_| repository.to_owned());
    let mapped = maps.lines().filter_map(Mapping::of).filter(|mapping| mapping.path.starts_with(&repository));
    mapped
        .map(|mapping| {
            release(&mapping);
            mapping.path.to_owned()
        })
        .collect()
}

/// Reads files into the system's cache, where releasing them took them from: the first texts should not wait for the disk. As good as possible.
pub(crate) fn read_ahead(files: BTreeSet<PathBuf>) {
    for mut file in files.into_iter().filter_map(|path| File::open(path).ok()) {
        let _ = io::copy(&mut file, &mut io::sink());
    }
}

/// A file in this process's memory that it can only read.
#[derive(Debug, PartialEq)]
struct Mapping<'a> {
    begin: usize,
    end: usize,
    path: &'a Path,
}

impl<'a> Mapping<'a> {
    /// From a line of `/proc/self/maps`; `None` for memory that is no file, or that could have been written to.
    fn of(line: &'a str) -> Option<Self> {
        let mut fields = line.splitn(6, ' ');
        let (begin, end) = fields.next()?.split_once('-')?;
        let readable_only = fields.next()?.starts_with("r--");
        let path = Path::new(fields.nth(3)?.trim_start());
        let address = |digits| usize::from_str_radix(digits, 16).ok();
        (readable_only && path.is_absolute()).then_some(Self { begin: address(begin)?, end: address(end)?, path })
    }
}

/// Does nothing where the C library is not glibc.
fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "a call into the C library that takes no pointer and keeps every allocation")]
    // SAFETY: `malloc_trim` has no precondition, is thread-safe, and touches nothing but free memory.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// What is asked for again comes back from the file. Without the right to write to the file the system keeps the pages.
#[cfg(target_os = "linux")]
fn release(mapping: &Mapping<'_>) {
    #[expect(unsafe_code, reason = "advice about memory that another library has mapped")]
    // SAFETY: to page out changes no content: whoever reads the pages later reads the same bytes. That holds for whatever is there, should
    // the mapping have gone meanwhile, unlike with `MADV_DONTNEED`.
    unsafe {
        libc::madvise(mapping.begin as *mut libc::c_void, mapping.end - mapping.begin, libc::MADV_PAGEOUT);
    }
}

#[cfg(not(target_os = "linux"))]
fn release(_: &Mapping<'_>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_only_read_are_told_from_other_memory() {
        let line =
            "7f6d32800000-7f6d37e14000 r--s 00000000 fe:00 10010767                   /srv/my models/model.onnx.data";
        let path = Path::new("/srv/my models/model.onnx.data");
        assert_eq!(Mapping::of(line), Some(Mapping { begin: 0x7f6d_3280_0000, end: 0x7f6d_37e1_4000, path }));
        for other in [
            "7f6d32800000-7f6d37e14000 rw-p 00000000 fe:00 10010767                   /srv/model.onnx.data",
            "7f6d32800000-7f6d37e14000 r--p 00000000 00:00 0",
            "7ffd0d3f0000-7ffd0d3f4000 r--p 00000000 00:00 0                          [vvar]",
            "",
        ] {
            assert_eq!(Mapping::of(other), None, "{other}");
        }
    }
}

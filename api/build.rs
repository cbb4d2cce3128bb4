//! Lets the crate compile without the console: what is embedded must at least be a folder. `make console` fills it.

use std::{
    env, fs,
    io::{self, Write as _},
    path::PathBuf,
};

fn main() -> io::Result<()> {
    let dist = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("console/dist");
    fs::create_dir_all(&dist)?;
    // A console that was built anew is embedded anew.
    writeln!(io::stdout(), "cargo::rerun-if-changed={}", dist.display())
}

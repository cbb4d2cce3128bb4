//! `chaperone doctor`: what on this machine keeps the service from running, with a cure for each finding.

mod servers;

use std::{
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    Exit, Global,
    table::{Paint, bytes},
};
use crate::config::Config;

/// Below this, models and store hardly fit.
const MIN_DISK: u64 = 1_000_000_000;
/// All models resident, with room for items in flight.
const MIN_MEMORY: u64 = 1_000_000_000;

/// Arguments of `chaperone doctor`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  chaperone doctor
  chaperone --config chaperone.toml doctor

✓ is fine, ! is worth knowing, ✗ keeps `serve` from working and makes the exit code 1. Nothing is changed.")]
pub struct Args {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// Works, or is only needed for something optional.
    Note,
    Bad,
}

/// One thing looked at.
#[derive(Debug)]
struct Finding {
    what: String,
    state: State,
    detail: String,
    cure: Option<String>,
}

impl Finding {
    fn good(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Good, detail: detail.into(), cure: None }
    }

    fn note(what: impl Into<String>, detail: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Note, detail: detail.into(), cure: Some(cure.into()) }
    }

    fn bad(what: impl Into<String>, detail: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Bad, detail: detail.into(), cure: Some(cure.into()) }
    }
}

/// Looks at everything, tells all.
pub async fn run(_args: Args, global: &Global) -> anyhow::Result<Exit> {
    let global = global.clone();
    let findings = tokio::task::spawn_blocking(move || examine(&global)).await?;
    std::io::stdout().write_all(tell(&findings, Paint::stdout()).as_bytes())?;
    Ok(if findings.iter().any(|finding| finding.state == State::Bad) { Exit::Failed } else { Exit::Fine })
}

fn examine(global: &Global) -> Vec<Finding> {
    let mut findings = Vec::new();
    let config = match global.config() {
        Ok(config) => {
            let source = global
                .config
                .as_ref()
                .map_or("built-in defaults and environment".to_owned(), |path| path.display().to_string());
            findings.push(Finding::good("configuration", source));
            config
        }
        Err(error) => {
            findings.push(Finding::bad(
                "configuration",
                format!("{error:#}"),
                "correct it; `chaperone check-config` shows the result",
            ));
            Config::default()
        }
    };
    findings.push(policy(&config));
    let models = model_files(&config);
    let something_to_fetch = models.iter().any(|finding| finding.state == State::Bad);
    findings.extend(models);
    findings.push(onnxruntime(&config));
    findings.extend(execution(&config));
    findings.extend(fetch_tools(something_to_fetch));
    findings.extend(storage(&config));
    findings.extend(servers::servers(&config));
    findings.push(port(&config));
    findings.push(processor(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default()));
    findings.push(memory(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default()));
    findings
}

fn tell(findings: &[Finding], paint: Paint) -> String {
    let width = findings.iter().map(|finding| finding.what.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for Finding { what, state, detail, cure } in findings {
        let mark = match state {
            State::Good => paint.green("✓"),
            State::Note => paint.yellow("!"),
            State::Bad => paint.red("✗"),
        };
        text.push_str(&format!("{mark} {what:<width$}  {detail}\n"));
        if let Some(cure) = cure {
            text.push_str(&format!("  {:<width$}  → {cure}\n", ""));
        }
    }
    let bad = findings.iter().filter(|finding| finding.state == State::Bad).count();
    text.push_str(&match bad {
        0 => format!("\n{}\n", paint.green("Everything that `chaperone serve` needs is here.")),
        1 => format!("\n{}\n", paint.red("1 thing keeps `chaperone serve` from working.")),
        bad => format!("\n{}\n", paint.red(&format!("{bad} things keep `chaperone serve` from working."))),
    });
    text
}

fn policy(config: &Config) -> Finding {
    let source = config.pipeline.policy.as_ref().map_or("built in".to_owned(), |path| path.display().to_string());
    match pipeline::policy::PolicySet::load(config.pipeline.policy.as_deref()) {
        Ok(_) => Finding::good("policy", source),
        Err(error) => Finding::bad(
            "policy",
            error.to_string(),
            "correct the file, or leave `pipeline.policy` out to use the built-in one",
        ),
    }
}

/// Loads the library as the service will: a file that is there may still be for another processor.
fn onnxruntime(config: &Config) -> Finding {
    let library = config.models.onnxruntime_library(&config.models.repository);
    match models::backend::probe_onnxruntime(&library) {
        Ok(()) => Finding::good("ONNX Runtime", format!("{} loads", library.display())),
        Err(error) => Finding::bad(
            "ONNX Runtime",
            error.to_string(),
            "chaperone models fetch, or name a library in `models.onnxruntime`",
        ),
    }
}

/// How each model will be executed: engine, device, precision. With several ways the start measures and takes the fastest accurate one.
fn execution(config: &Config) -> Vec<Finding> {
    let Ok(repository) = models::Repository::open(&config.models.repository) else { return Vec::new() };
    let examine = |name: &String| {
        let spec = repository.spec(name).ok()?;
        let what = format!("runs {name}");
        Some(match config.models.ways(repository.root(), &spec) {
            Ok(ways) => {
                let ways: Vec<String> = ways.iter().map(ToString::to_string).collect();
                let decided = if ways.len() > 1 { " (measured at start; accuracy first)" } else { "" };
                Finding::good(what, format!("{}{decided}", ways.join(", or ")))
            }
            Err(error) => Finding::bad(what, error.to_string(), "correct `models.device` or `models.precision`"),
        })
    };
    config.models.load.iter().filter(|name| !name.contains(['@', ':'])).filter_map(examine).collect()
}

fn model_files(config: &Config) -> Vec<Finding> {
    let repository = match models::Repository::open(&config.models.repository) {
        Ok(repository) => repository,
        Err(error) => {
            let cure = "run this in the folder that holds `models/repository`, or set `models.repository`";
            return vec![Finding::bad("model repository", error.to_string(), cure)];
        }
    };
    let examine = |name: &String| match repository.verify(name) {
        Ok(folder) => Finding::good(
            format!("model {name}"),
            format!("version {}, {} files match", folder.spec.version, folder.spec.artifact.len()),
        ),
        Err(error @ models::ModelError::UnknownModel(_)) => Finding::bad(
            format!("model {name}"),
            error.to_string(),
            "correct `models.load`; `chaperone models list` shows the names",
        ),
        Err(error) => {
            Finding::bad(format!("model {name}"), error.to_string(), format!("chaperone models fetch --only {name}"))
        }
    };
    config.models.load.iter().filter(|name| !name.starts_with("fake:")).map(examine).collect()
}

/// Only needed to fetch: a machine that has its models runs without them.
fn fetch_tools(needed: bool) -> Vec<Finding> {
    let tools: [(&str, &str, &[&str], &str); 2] = [
        ("pip", "python3", &["-m", "pip", "--version"], "apt-get install python3 python3-pip"),
        ("npm", "npm", &["--version"], "apt-get install npm"),
    ];
    let examine = |(what, program, arguments, cure): (&str, &str, &[&str], &str)| match (
        first_line(program, arguments),
        needed,
    ) {
        (Some(version), _) => Finding::good(what, version),
        (None, true) => Finding::note(what, "not found; `models fetch` may need it", cure),
        (None, false) => Finding::good(what, "not found, and not needed: no model is missing"),
    };
    tools.into_iter().map(examine).collect()
}

fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    // pip tells where it is installed after its version.
    Some(text.lines().next().unwrap_or_default().split(" from ").next().unwrap_or_default().to_owned())
}

/// Folders of store and index: writable, and on a disk with room.
fn storage(config: &Config) -> Vec<Finding> {
    let store = config.store.url.strip_prefix("sqlite:").filter(|path| *path != ":memory:").map(PathBuf::from);
    let store = store.map(|file| file.parent().map_or(PathBuf::from("."), Path::to_path_buf));
    let index = config.index.url.strip_prefix("edge:").map(PathBuf::from);
    let folders = [("store folder", store), ("index folder", index)];
    folders.into_iter().filter_map(|(what, folder)| Some(folder_state(what, &folder?))).collect()
}

fn folder_state(what: &str, folder: &Path) -> Finding {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    // What does not exist yet is made at start: then its nearest parent must let us.
    let Some(existing) = folder
        .ancestors()
        .map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path })
        .find(|path| path.exists())
    else {
        return Finding::bad(
            what,
            format!("{} cannot be made", folder.display()),
            "choose another folder in the configuration",
        );
    };
    if let Err(error) = tempfile::tempfile_in(existing) {
        let cure =
            format!("make it writable for this user (`chown`), or choose another folder: {}", existing.display());
        return Finding::bad(what, format!("{}: {error}", existing.display()), cure);
    }
    match rustix::fs::statvfs(existing) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let detail = format!("{} is writable, {} free", folder.display(), bytes(free));
            if free < MIN_DISK {
                Finding::note(what, detail, "make room: less than 1 GB is left")
            } else {
                Finding::good(what, detail)
            }
        }
        Err(error) => Finding::note(
            what,
            format!("{} is writable; free space unknown: {error}", folder.display()),
            "look with `df`",
        ),
    }
}

fn port(config: &Config) -> Finding {
    let listen = config.server.listen;
    match TcpListener::bind(listen) {
        Ok(_) => Finding::good("port", format!("{listen} is free")),
        Err(error) => {
            let cure =
                "if that is not Chaperone itself: stop what uses it, or set `server.listen` (CHAPERONE_SERVER__LISTEN)";
            Finding::bad("port", format!("{listen}: {error}"), cure)
        }
    }
}

fn processor(cpuinfo: &str) -> Finding {
    let flags: Vec<&str> =
        cpuinfo.lines().find_map(|line| line.strip_prefix("flags")).unwrap_or_default().split_whitespace().collect();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let known = [
        ("avx2", "AVX2"),
        ("avx512f", "AVX-512"),
        ("avx512_vnni", "VNNI"),
        ("avx512_bf16", "BF16"),
        ("amx_bf16", "AMX"),
    ];
    let found: Vec<&str> = known.into_iter().filter(|(flag, _)| flags.contains(flag)).map(|(_, name)| name).collect();
    match (flags.is_empty(), found.contains(&"AVX2")) {
        (true, _) => Finding::good("processor", format!("{cores} cores, {}", std::env::consts::ARCH)),
        (false, true) => Finding::good("processor", format!("{cores} cores with {}", found.join(", "))),
        (false, false) => {
            Finding::note("processor", format!("{cores} cores without AVX2"), "it works, several times slower")
        }
    }
}

fn memory(meminfo: &str) -> Finding {
    let kilobytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    match (kilobytes("MemAvailable"), kilobytes("MemTotal")) {
        (Some(available), Some(total)) => {
            let (available, total) = (available * 1024, total * 1024);
            let detail = format!("{} available of {}", bytes(available), bytes(total));
            if available < MIN_MEMORY {
                Finding::note("memory", detail, "stop something: the models want about 0.6 GB")
            } else {
                Finding::good("memory", detail)
            }
        }
        _ => Finding::note("memory", "unknown on this system", "have 1 GB to spare"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_flags_are_read() {
        let with = processor("model name : x\nflags\t\t: fpu avx2 avx512f amx_bf16\nflags : none\n");
        assert_eq!(with.state, State::Good);
        assert!(with.detail.ends_with("with AVX2, AVX-512, AMX"), "{}", with.detail);
        assert_eq!(processor("flags : fpu sse2\n").state, State::Note);
        assert_eq!(processor("").state, State::Good);
    }

    #[test]
    fn memory_is_read() {
        let of = |available: u64| memory(&format!("MemTotal:       16000000 kB\nMemAvailable:   {available} kB\n"));
        assert_eq!(of(4_000_000).state, State::Good);
        assert_eq!(of(4_000_000).detail, "4.1 GB available of 16.4 GB");
        assert_eq!(of(400_000).state, State::Note);
        assert_eq!(memory("").state, State::Note);
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_fine_when_its_parent_is() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(folder_state("store folder", &folder.path().join("a/b")).state, State::Good);
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(folder_state("store folder", &file.join("below")).state, State::Bad);
    }

    #[test]
    fn a_busy_port_is_told_with_a_cure() {
        let busy = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = Config::default();
        config.server.listen = busy.local_addr().unwrap();
        let finding = port(&config);
        assert_eq!(finding.state, State::Bad);
        assert!(finding.cure.unwrap().contains("server.listen"));
    }

    #[test]
    fn every_bad_finding_comes_with_a_cure_and_a_count() {
        let text = tell(&[Finding::good("a", "fine"), Finding::bad("bb", "broken", "mend it")], Paint::plain());
        assert_eq!(
            text,
            "✓ a   fine\n✗ bb  broken\n      → mend it\n\n1 thing keeps `chaperone serve` from working.\n"
        );
    }
}

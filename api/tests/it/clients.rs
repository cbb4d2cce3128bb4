//! The official clients of other services against a running one, from their registries, unpatched: only base URL and key are ours. And
//! clients that generators make of our OpenAPI document.
//!
//! `api/tests/clients/install.sh` installs them below `target/clients`, pinned with their digests. One that is missing is a failure.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::OnceLock,
};

use api::config::Scope::Admin;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use tempfile::TempDir;
use tokio::process::Command;

use crate::harness::{Service, key, png};

/// The file name under which `tiktoken` looks for `cl100k_base`: the SHA-1 of the address that it would fetch it from.
const CL100K: &str = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4";

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(path)
}

/// What the script installed.
pub(crate) struct Installed {
    pub(crate) python_path: PathBuf,
    node: PathBuf,
    node_dir: PathBuf,
}

pub(crate) fn installed() -> &'static Installed {
    static INSTALLED: OnceLock<Installed> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let output = std::process::Command::new(source("install.sh"))
            .arg(target())
            .stderr(Stdio::inherit())
            .output()
            .expect("install.sh runs");
        assert!(
            output.status.success(),
            "the clients cannot be installed: see above; `deploy/setup.sh test` shows what lacks"
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let value = |name: &str| {
            PathBuf::from(
                text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name} in {text}")),
            )
        };
        Installed { python_path: value("PYTHONPATH="), node: value("NODE="), node_dir: value("NODE_DIR=") }
    })
}

/// `target/clients`.
fn target() -> PathBuf {
    // …/target/release/deps/it-…
    let binary = std::env::current_exe().unwrap();
    binary.ancestors().nth(3).unwrap().join("clients")
}

/// A service that asks for a key, and one that may do everything.
async fn stage_with_admin_key() -> (Service, String) {
    let (key, entry) = key("clients", "acme", &[Admin]);
    (Service::start_with(|config| config.auth.keys = vec![entry]).await.with_key(&key), key)
}

/// A service with a key, and what the scripts are given of it.
struct Stage {
    service: Service,
    key: String,
    folder: TempDir,
}

impl Stage {
    async fn set() -> Self {
        let (service, key) = stage_with_admin_key().await;
        let folder = tempfile::tempdir().unwrap();
        // Red 3 is the label «porn» of the fake model, green its score.
        fs::write(folder.path().join("picture.png"), png(3, 250)).unwrap();
        Self { service, key, folder }
    }

    /// A program with all that a client may know.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("CHAPERONE_URL", &self.service.base)
            .env("CHAPERONE_KEY", &self.key)
            .env("CHAPERONE_PICTURE", self.folder.path().join("picture.png"))
            .env("PYTHONPATH", &installed().python_path)
            .env("NO_PROXY", "127.0.0.1")
            .kill_on_drop(true);
        command
    }

    async fn python(&self, script: &str) {
        let mut command = self.command("python3");
        run(command.arg(source("python").join(script)), script).await;
    }

    /// Modules are found from where the script lies, so it is copied to them.
    async fn node(&self, script: &str) {
        let Installed { node, node_dir, .. } = installed();
        let copy = node_dir.join(format!("{}-{script}", std::process::id()));
        fs::copy(source("node").join(script), &copy).unwrap();
        run(self.command(node).arg(&copy), script).await;
        fs::remove_file(copy).unwrap();
    }
}

/// Runs to the end; its last word must be `ok`.
async fn run(command: &mut Command, what: &str) {
    let output = command.output().await.unwrap_or_else(|error| panic!("{what} cannot be run: {error}"));
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim_end().ends_with("ok"), "{what}: {}\n{said}\n{wrong}", output.status);
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_openais_python_client_works_unchanged() {
    Stage::set().await.python("openai_client.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_openais_node_client_works_unchanged() {
    Stage::set().await.node("openai.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_googles_python_client_is_built_from_our_discovery_document() {
    let stage = Stage::set().await;
    stage.python("google_client.py").await;
    let kept = stage.service.get("/v1/feedback").await.expect(200);
    assert_eq!(kept["feedback"][0]["scores"]["TOXICITY"]["summary"], 0.25, "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_googles_node_client_is_built_from_our_discovery_document() {
    Stage::set().await.node("google.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_langchains_node_embeddings_work_unchanged() {
    Stage::set().await.node("langchain.mjs").await;
}

/// LangChain's Python client makes token ids with `tiktoken`, which would fetch its vocabulary from elsewhere: it is put into its cache, from
/// our own copy; `tiktoken` itself checks the digest.
#[tokio::test(flavor = "multi_thread")]
async fn i5_langchains_python_embeddings_work_unchanged() {
    let stage = Stage::set().await;
    let vocabulary = tiktoken_rs::cl100k_base_singleton();
    let ranks = (0..100_256_u32)
        .map_while(|id| Some(format!("{} {id}\n", BASE64_STANDARD.encode(vocabulary.decode_bytes(&[id]).ok()?))));
    fs::write(stage.folder.path().join(CL100K), ranks.collect::<String>()).unwrap();
    let mut command = stage.command("python3");
    command.env("TIKTOKEN_CACHE_DIR", stage.folder.path());
    run(command.arg(source("python/langchain_client.py")), "langchain_client.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_a_generated_python_client_imports_and_calls() {
    let stage = Stage::set().await;
    let made = stage.folder.path().join("chaperone_client");
    let config = stage.folder.path().join("config.yml");
    fs::write(&config, "package_name_override: chaperone_client\npost_hooks: []\n").unwrap();
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let mut generate = stage.command("python3");
    generate.args(["-m", "openapi_python_client", "generate", "--meta", "none", "--config"]);
    let output =
        generate.arg(config).arg("--path").arg(document).arg("--output-path").arg(made).output().await.unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the generator: {said}");
    let mut call = stage.command("python3");
    run(call.arg(source("python/generated_client.py")).arg(stage.folder.path()), "generated_client.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_a_generated_typescript_client_compiles_and_calls() {
    let stage = Stage::set().await;
    let Installed { node, node_dir, .. } = installed();
    let folder = node_dir.join(format!("generated-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    for file in ["generated.ts", "tsconfig.json"] {
        fs::copy(source("node").join(file), folder.join(file)).unwrap();
    }
    fs::write(folder.join("package.json"), r#"{"type":"module"}"#).unwrap();
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let module = |path: &str| node_dir.join("node_modules").join(path);
    let mut generate = stage.command(node);
    let types = folder.join("chaperone.ts");
    let generated = generate
        .arg(module("openapi-typescript/bin/cli.js"))
        .arg(document)
        .arg("--output")
        .arg(&types)
        .output()
        .await
        .unwrap();
    assert!(generated.status.success(), "openapi-typescript: {}", String::from_utf8_lossy(&generated.stderr));
    let mut compile = stage.command(node);
    let compiled = compile.arg(module("typescript/bin/tsc")).arg("-p").arg(&folder).output().await.unwrap();
    assert!(compiled.status.success(), "tsc: {}", String::from_utf8_lossy(&compiled.stdout));
    run(stage.command(node).arg(folder.join("out/generated.js")), "generated.js").await;
    fs::remove_dir_all(folder).unwrap();
}
